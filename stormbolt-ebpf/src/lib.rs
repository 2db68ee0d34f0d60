//! StormBolt's data path: `parse → classify → police → steer → count`, as pure code.
//!
//! The stages see packets through [`packet::PacketBytes`] and tables through [`tables::Tables`], so
//! they run unchanged in the kernel (`kernel/`, the only folder that touches packet memory, maps
//! and helpers) and on the host, under tests. [`pipeline::process`] is the whole way of a packet.
#![no_std]
#![forbid(unsafe_code)]

pub mod classify;
pub mod count;
pub mod packet;
pub mod parse;
pub mod pipeline;
pub mod police;
pub mod rewrite;
pub mod sample;
pub mod steer;
pub mod tables;
pub mod unpaid;
