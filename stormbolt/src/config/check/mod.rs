//! From the document to a policy: names are resolved, limits are held.

mod adaptive;
mod circles;
mod classes;
mod conflicts;
mod controller;
mod groups;
mod guarantees;
mod interfaces;
mod management;
mod one_rule;
mod per_source;
mod policy;
mod prefix_list;
mod rules;
mod set_prefixes;
mod sets;
mod tables;
mod treatment;

pub(super) use one_rule::one_rule;
pub(super) use policy::policy;
pub(super) use prefix_list::{prefix_entries, prefix_lines};
