//! What a pass would write, without the writes: for `plan`, and for `serve --dry-run`.

pub(crate) mod dry_run;
pub(crate) mod plan;
pub(crate) mod why_not;
