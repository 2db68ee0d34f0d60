//! The shell around StormBolt's mind: policy files, the data path in the kernel, the daemon, its
//! API and the command line.

pub mod api;
pub mod apply;
mod causes;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod datapath;
pub mod demo;
mod doctor;
pub mod explain;
pub mod lab;
pub mod sampling;
mod state;
pub mod telemetry;
