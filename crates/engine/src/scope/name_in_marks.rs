//! The external's name in marks: its first name, whatever it is called later.

use itop_bridge_store::{Instance, Result, Store};

/// The name of the store's cursor for it.
pub const NAME_IN_MARKS: &str = "name_in_marks";

/// Stores the name before the external is renamed.
pub fn keep_name_in_marks(store: &mut dyn Store, name: &str, name_in_marks: &str) -> Result<()> {
    let of = Instance::External(name.to_owned());
    match store.cursor(&of, NAME_IN_MARKS)?.as_deref() == Some(name_in_marks) {
        true => Ok(()),
        false => store.set_cursor(&of, NAME_IN_MARKS, name_in_marks),
    }
}
