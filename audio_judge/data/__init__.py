"""From rated clips to training examples: instructions, mixtures, augmentation, captions."""
