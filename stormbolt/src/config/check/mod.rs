//! From the document to a policy: names are resolved, limits are held.

mod classes;
mod interfaces;
mod policy;
mod rules;
mod sets;

pub(super) use policy::policy;
