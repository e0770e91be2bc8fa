"""From rated clips to training examples: targets, requests and answers, mixtures, augmentation, captions."""
