"""What Triton's Python backend runs: each module is copied into model repositories as a `model.py`.

They find this project's modules in the archive beside them, and import nothing else of it before they have.
"""
