//! The controller's mind: data and time in, commands out.
//!
//! No I/O, no clock, no threads. The control line reads `observe → estimate → decide`, and the
//! daemon applies what comes out; `compile` turns a policy's rules into the tables that the XDP
//! program looks packets up in.
#![forbid(unsafe_code)]

pub mod compile;
pub mod controller;
pub mod decide;
pub mod estimate;
pub mod explain;
pub mod flows;
pub mod import;
pub mod observe;
pub mod policy;
pub mod units;
