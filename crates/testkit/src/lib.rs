//! Shared by the tests of several crates: whole bridges between simulated iTops (`world`), the built binary beside
//! two of them (`site`), the people who work there, the faults, and the laws that must hold in the end.

pub mod binary;
pub mod commits;
pub mod faults;
pub mod history;
pub mod laws;
pub mod people;
pub mod site;
pub mod world;
