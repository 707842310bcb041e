"""What training minimises: contrastive losses over a batch or over a queue."""
