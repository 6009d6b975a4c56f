//! Which tickets leave the house, and which do not.
