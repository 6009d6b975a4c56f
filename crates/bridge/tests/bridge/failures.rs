//! What a failing side, a wrong default, a missing right or a crash must not do.
