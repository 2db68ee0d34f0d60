//! Lets user space move the types through maps.

use crate::classifier::RuleBitmap;
use crate::counters::{ClassCell, PacketCounter};
use crate::generator::{GeneratorSettings, GeneratorState};
use crate::police::{ClassRate, SharedBucket};
use crate::policy::{Active, PolicyHeader, RuleEntry};

macro_rules! pod {
    ($($name:ty),+ $(,)?) => {$(
        // SAFETY: `repr(C)` integers without padding (sizes asserted where they are defined), so
        // every bit pattern is valid.
        unsafe impl aya::Pod for $name {}
    )+};
}

pod!(
    Active,
    ClassCell,
    ClassRate,
    GeneratorSettings,
    GeneratorState,
    PacketCounter,
    PolicyHeader,
    RuleBitmap,
    RuleEntry,
    SharedBucket,
);
