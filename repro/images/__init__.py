"""Images as uint8 tensors, from archives, folders or the embedded generator; mini-batches and augmentation."""
