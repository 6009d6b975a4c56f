//! A part of the binary at a time: the configuration, the routes, the verbs' words, the pages.

mod app;
mod bad_input;
mod check;
mod cli;
mod http;
mod init;
mod print;
mod readme;
mod serve;
