//! What the end-to-end tests share: frames, the stages run on the host, a plain reference
//! classifier, and the loaded program beside them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "only tests use this crate, and a panic is how a test fails"
)]

pub mod cases;
pub mod counters;
pub mod e2e;
pub mod host_tables;
pub mod packet;
pub mod policer;
pub mod policies;
pub mod random;
pub mod reference;
pub mod samples;
pub mod second_opinion;
pub mod side_by_side;
pub mod tables;
