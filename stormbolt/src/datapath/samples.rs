//! Reads the packets that the program shows.

use std::mem::offset_of;

use aya::maps::{MapData, RingBuf};
use stormbolt_common::policy::Active;
use stormbolt_common::sample::{SAMPLE_BYTES, Sample, SampleHead, Sampling};

use super::error::DatapathError;
use super::load::{Datapath, mapped};
use super::mapped::MappedArray;
use super::maps;

/// What the program shows, and what it is told to show. Belongs to one thread at a time, which need not be the data
/// path's.
pub struct Samples {
    ring: RingBuf<MapData>,
    active: MappedArray<Active>,
}

impl Samples {
    /// Says which packets are shown from now on.
    pub fn choose(&self, sampling: Sampling) {
        let Sampling {
            packet_mask,
            flow_mask,
            flow_mark,
            per_jiffy,
        } = sampling;
        // Two words of their own: others write those before them meanwhile.
        let first = offset_of!(Active, sampling);
        let words = [[packet_mask, flow_mask], [flow_mark, per_jiffy]];
        for (place, halves) in words.into_iter().enumerate() {
            let bytes = halves.map(u32::to_ne_bytes);
            if let Ok(bytes) = bytes.as_flattened().try_into() {
                let word = u64::from_ne_bytes(bytes);
                self.active.set_word(0, first + 8 * place, word);
            }
        }
    }

    /// The next packet that was shown; `None`: there is none yet.
    pub fn take(&mut self) -> Option<Sample> {
        loop {
            let item = self.ring.next()?;
            // What is shorter is not ours, and there is no such thing.
            if let Some(sample) = sample_of(&item) {
                return Some(sample);
            }
        }
    }
}

impl Datapath {
    /// What the program shows; once, for whoever reads it.
    ///
    /// # Errors
    /// It was taken before, or the kernel does not let it be read.
    pub fn samples(&mut self) -> Result<Samples, DatapathError> {
        let map = |name| DatapathError::Missing { kind: "map", name };
        let active = self.ebpf.map(maps::ACTIVE).ok_or(map(maps::ACTIVE))?;
        let active = mapped(active, maps::ACTIVE, 1)?;
        let ring = self.ebpf.take_map(maps::SAMPLES);
        let ring = RingBuf::try_from(ring.ok_or(map(maps::SAMPLES))?)
            .map_err(DatapathError::map("open", maps::SAMPLES))?;
        Ok(Samples { ring, active })
    }
}

/// The sample that an entry of the ring buffer has.
fn sample_of(entry: &[u8]) -> Option<Sample> {
    let (words, _) = entry.get(..size_of::<SampleHead>())?.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_ne_bytes(*word));
    let mut word = || words.next();
    let time = [word()?.to_ne_bytes(), word()?.to_ne_bytes()];
    let head = SampleHead {
        time_ns: u64::from_ne_bytes(time.as_flattened().try_into().ok()?),
        ifindex: word()?,
        cpu: word()?,
        frame_bytes: word()?,
        taken_bytes: word()?,
        generation: word()?,
        verdict: word()?,
        rule: word()?,
        outcome: word()?,
        stands_for_halves: word()?,
        is_watched: word()?,
        no_room: word()?,
        over_limit: word()?,
    };
    let bytes = entry.get(size_of::<SampleHead>()..)?;
    let bytes: &[u8; SAMPLE_BYTES] = bytes.first_chunk()?;
    Some(Sample {
        head,
        bytes: *bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order() {
        let mut entry = Vec::new();
        entry.extend(7_u64.to_ne_bytes());
        for word in 1_u32..=12 {
            entry.extend(word.to_ne_bytes());
        }
        assert_eq!(sample_of(&entry), None);
        entry.extend([9; SAMPLE_BYTES]);
        let sample = sample_of(&entry).unwrap();
        let head = SampleHead {
            time_ns: 7,
            ifindex: 1,
            cpu: 2,
            frame_bytes: 3,
            taken_bytes: 4,
            generation: 5,
            verdict: 6,
            rule: 7,
            outcome: 8,
            stands_for_halves: 9,
            is_watched: 10,
            no_room: 11,
            over_limit: 12,
        };
        assert_eq!((sample.head, sample.bytes), (head, [9; SAMPLE_BYTES]));
    }
}
