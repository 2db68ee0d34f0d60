//! Lets user space move the types through maps.

use crate::classifier::Block;
use crate::counters::{AheadCounter, ClassCell, PacketCounter, Refusals};
use crate::explain::Explained;
use crate::generator::{GeneratorSettings, GeneratorState};
use crate::police::{ClassRate, InterfaceRate, SharedBucket};
use crate::policy::{Active, PolicyEntry};
use crate::source::{OffenderSet, SourceCounters, SourceLimit, SourceLine};

macro_rules! pod {
    ($($name:ty),+ $(,)?) => {$(
        // SAFETY: `repr(C)` integers without padding (sizes asserted where they are defined), so
        // every bit pattern is valid.
        unsafe impl aya::Pod for $name {}
    )+};
}

pod!(
    Active,
    AheadCounter,
    Block,
    ClassCell,
    Refusals,
    ClassRate,
    Explained,
    GeneratorSettings,
    GeneratorState,
    InterfaceRate,
    PacketCounter,
    PolicyEntry,
    SharedBucket,
    OffenderSet,
    SourceCounters,
    SourceLimit,
    SourceLine,
);
