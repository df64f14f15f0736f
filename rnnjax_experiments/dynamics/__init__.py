"""What recurrent cells can learn, and where their gradients go."""
