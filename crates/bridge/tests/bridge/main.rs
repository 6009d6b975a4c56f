//! The whole bridge on simulated iTops, a module a theme. Each test states what must hold and ends by
//! asserting that one more pass writes nothing, or says why there is none: a `World` that was not asked fails its test.

mod listen;
mod world;

mod anew;
mod back;
mod backfill;
mod by_title;
mod calls;
mod closed;
mod connection;
mod create;
mod duplicates;
mod escaping;
mod failures;
mod fields;
mod files;
mod given_again;
mod halts_told;
mod hostile;
mod ids;
mod import;
mod linking;
mod logs;
mod names;
mod only;
mod order;
mod printed;
mod rebuild;
mod refused;
mod restored;
mod resume;
mod settle;
mod setup;
mod side_halts;
mod sizes;
mod specification;
mod status;
mod sweep;
mod two_bridges;
mod unreadable;
mod verbs;
mod watch;
mod went_back;
