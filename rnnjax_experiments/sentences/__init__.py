"""What the tasks on sentences share: label, classify, finetune, distill."""
