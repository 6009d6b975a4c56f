//! Fields cross from the outside in, and never the other way.
