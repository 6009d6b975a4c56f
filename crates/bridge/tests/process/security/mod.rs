//! What somebody who means harm can and cannot get out of the built binary, or do to it, over real sockets:
//! `docs/design/security-model.md` says why each matters.

mod site;

mod flood;
mod oql;
mod secrets;
mod urls;
