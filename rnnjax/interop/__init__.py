"""Weights of other libraries, in and out: one file a library, none of which imports it."""

from rnnjax.interop import equinox as equinox
from rnnjax.interop import haiku as haiku
from rnnjax.interop import keras as keras
from rnnjax.interop import linen as linen
from rnnjax.interop import nnx as nnx
from rnnjax.interop import safetensors as safetensors
from rnnjax.interop import torch as torch
