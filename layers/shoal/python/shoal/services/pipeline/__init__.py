"""What runs of all workflows share: where they store what they make, and the steps that turn rows into cells."""
