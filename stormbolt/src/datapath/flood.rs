//! Sends live frames, millions a second, out of a device: the demo's and the tests' flood.

use aya::programs::{TestRun, TestRunAttrs, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use stormbolt_common::generator::{GeneratorSettings, GeneratorState};

use super::error::DatapathError;
use super::load::{load_error, xdp_program};
use super::mapped::MappedArray;
use super::test_run::xdp_context;
use super::{maps, object};

/// Frames per NAPI-like batch of the kernel's test runner.
const BATCH: u32 = 64;

/// What a flood sends.
#[derive(Clone, Debug)]
pub struct FloodFrames {
    /// The frame, from the Ethernet header on.
    pub template: Vec<u8>,
    /// What is changed in each copy.
    pub settings: GeneratorSettings,
}

/// What a flood has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloodReport {
    /// Frames handed to the device, whether it took them or not.
    pub frames: u64,
}

/// A loaded frame generator.
pub struct Flood {
    ebpf: Ebpf,
    state: MappedArray<GeneratorState>,
    template: Vec<u8>,
    context: [u8; 24],
}

impl Flood {
    /// Loads a generator that sends out of device number `ifindex` of the namespace that
    /// [`Flood::send`] is called in.
    ///
    /// # Errors
    /// The kernel refuses the object.
    pub fn load(ifindex: u32, frames: &FloodFrames) -> Result<Self, DatapathError> {
        let mut ebpf = EbpfLoader::new()
            .load(object::generator())
            .map_err(load_error)?;
        let name = maps::GENERATOR_PROGRAM;
        xdp_program(&mut ebpf, name)?
            .load()
            .map_err(|error| DatapathError::refused(name, error))?;
        let map = |name| {
            ebpf.map(name)
                .ok_or(DatapathError::Missing { kind: "map", name })
        };
        let settings = MappedArray::<GeneratorSettings>::of(
            maps::GENERATOR_SETTINGS,
            map(maps::GENERATOR_SETTINGS)?,
            1,
        )?;
        settings.set(0, frames.settings);
        let state = MappedArray::of(maps::GENERATOR_STATE, map(maps::GENERATOR_STATE)?, 1)?;
        Ok(Self {
            state,
            context: xdp_context(frames.template.len(), ifindex),
            template: frames.template.clone(),
            ebpf,
        })
    }

    /// Sends `frames` frames as fast as this thread can, and returns when they are on their way.
    ///
    /// # Errors
    /// The kernel refuses, for example because the device is down.
    pub fn send(&mut self, frames: u32) -> Result<(), DatapathError> {
        let name = maps::GENERATOR_PROGRAM;
        let program = xdp_program(&mut self.ebpf, name)?;
        let options = TestRunOptions {
            data_in: Some(&self.template),
            ctx_in: Some(&self.context),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        program
            .test_run(options)
            .map_err(DatapathError::program("run", name))?;
        Ok(())
    }

    /// A way to ask for what has been sent, from any thread, while this one sends.
    ///
    /// # Errors
    /// The counters cannot be mapped into memory once more.
    pub fn reporter(&self) -> Result<impl Fn() -> FloodReport + Send + use<>, DatapathError> {
        let name = maps::GENERATOR_STATE;
        let map = self
            .ebpf
            .map(name)
            .ok_or(DatapathError::Missing { kind: "map", name })?;
        let state = MappedArray::<GeneratorState>::of(name, map, 1)?;
        Ok(move || FloodReport {
            frames: state.get(0).unwrap_or_default().frames,
        })
    }

    /// Frames sent so far.
    pub fn report(&self) -> FloodReport {
        FloodReport {
            frames: self.state.get(0).unwrap_or_default().frames,
        }
    }
}
