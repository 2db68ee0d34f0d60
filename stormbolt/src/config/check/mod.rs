//! From the document to a policy: names are resolved, limits are held.

mod classes;
mod conflicts;
mod interfaces;
mod policy;
mod rules;
mod set_prefixes;
mod sets;

pub(super) use policy::policy;
