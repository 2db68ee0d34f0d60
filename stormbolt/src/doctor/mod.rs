//! `stormbolt doctor`: what stands in the way of StormBolt on this machine, and what to do about it.
//!
//! [`gather`] looks at the machine, and changes nothing. What it has seen are [`facts`]; [`assess`] says what they
//! mean, and is a function of them alone.

mod assess;
mod document;
mod facts;
mod gather;

#[cfg(test)]
pub(crate) use document::DoctorFinding;
pub(crate) use document::{Diagnosis, State};
pub(crate) use gather::Places;

/// Looks at the machine and judges what is seen.
pub(crate) fn examine(places: &Places) -> Diagnosis {
    Diagnosis::of(assess::assess(&gather::gather(places)))
}
