"""Pure functions between what a store holds and what a Secret holds, each as External Secrets Operator does it."""
