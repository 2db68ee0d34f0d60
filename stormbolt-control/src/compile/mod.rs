//! Compiles rules into the tables that the XDP program looks packets up in.
//!
//! The structure is explained at [`stormbolt_common::classifier`]: one bitmap of accepting rules per
//! value of each field. Values that the same rules accept share a bitmap.

mod bitmaps;
mod direct;
mod prefixes;

pub use prefixes::{Prefix, covers};

use stormbolt_common::classifier::{DIRECT_ENTRIES, Field, MATCH_ALL, RuleBitmap};
use stormbolt_common::limits::{MAX_BITMAPS, MAX_PREFIXES, MAX_RULES};
use thiserror::Error;

use crate::policy::Rule;
use bitmaps::Bitmaps;

/// The tables of one policy's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRules {
    /// Bit per [`Field`] that some rule looks at.
    pub used_fields: u32,
    /// Words of each bitmap that hold rules; zero without rules.
    pub bitmap_words: u32,
    /// Bitmap numbers of all fields with direct tables, at [`Field::base`] plus value.
    pub direct: Vec<u32>,
    /// The bitmaps; number [`MATCH_ALL`] accepts everything.
    pub bitmaps: Vec<RuleBitmap>,
    /// Source prefixes with their bitmap numbers; every address is covered. Empty when unused.
    pub sources: Vec<(Prefix, u32)>,
    /// Destination prefixes, likewise.
    pub destinations: Vec<(Prefix, u32)>,
}

/// Why rules do not fit the tables.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// More rules than bits in a bitmap.
    #[error("{rules} rules, but at most {MAX_RULES} fit; merge rules that differ in one field")]
    TooManyRules {
        /// Rules in the policy.
        rules: usize,
    },
    /// More combinations of rules over field values than the table of bitmaps holds.
    #[error(
        "the rules split the values of `{field:?}` into too many parts: over {MAX_BITMAPS} \
         combinations of rules in all; use fewer distinct ranges"
    )]
    TooManyBitmaps {
        /// The field during which the table became full.
        field: Field,
    },
    /// More distinct prefixes than a prefix table holds.
    #[error(
        "{prefixes} distinct prefixes for `{field:?}`, but at most {MAX_PREFIXES} fit; aggregate them"
    )]
    TooManyPrefixes {
        /// Source or destination.
        field: Field,
        /// Distinct prefixes in the policy.
        prefixes: usize,
    },
}

/// Compiles `rules`; `interfaces[i]` is the table index of the policy's interface `i`.
///
/// # Errors
/// The rules exceed a table; the message says which and what helps.
pub fn compile(rules: &[Rule], interfaces: &[u32]) -> Result<CompiledRules, CompileError> {
    let too_many = CompileError::TooManyRules { rules: rules.len() };
    let count = u32::try_from(rules.len()).map_err(|_| too_many.clone())?;
    if count > MAX_RULES {
        return Err(too_many);
    }
    let mut compiled = CompiledRules {
        used_fields: 0,
        bitmap_words: count.div_ceil(64),
        direct: vec![MATCH_ALL; usize::try_from(DIRECT_ENTRIES).unwrap_or(0)],
        bitmaps: Vec::new(),
        sources: Vec::new(),
        destinations: Vec::new(),
    };
    let mut bitmaps = Bitmaps::new();
    for field in Field::ALL {
        if !direct::uses(field, rules) {
            continue;
        }
        compiled.used_fields |= field.bit();
        let full = |_| CompileError::TooManyBitmaps { field };
        match field {
            Field::Source => compiled.sources = prefixes::compile(field, rules, &mut bitmaps)?,
            Field::Destination => {
                compiled.destinations = prefixes::compile(field, rules, &mut bitmaps)?;
            }
            Field::SourcePort
            | Field::DestinationPort
            | Field::Protocol
            | Field::Dscp
            | Field::Vlan
            | Field::TcpFlags
            | Field::Fragment
            | Field::IcmpType
            | Field::Length
            | Field::Interface => {
                let accepted = direct::accepted(field, rules, interfaces);
                direct::fill(field, &accepted, &mut bitmaps, &mut compiled.direct).map_err(full)?;
            }
        }
    }
    compiled.bitmaps = bitmaps.into_rows();
    Ok(compiled)
}
