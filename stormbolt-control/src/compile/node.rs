//! Trees as they are built, before they have a place in the tables.

use std::sync::{Arc, OnceLock};

use stormbolt_common::classifier::{Edge, RANGE_BOUNDS};

/// A part of a tree. Parts that are alike are shared, so a tree is a graph without cycles.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// The edge to it, once it has a place.
    pub(super) edge: OnceLock<Edge>,
}

/// What a part consists of.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// No rule.
    Nothing,
    /// A class of sets.
    Value(u32),
    /// Conditions, encoded.
    Leaf {
        words: Vec<u64>,
        /// Places in it, extensions included.
        count: u32,
        /// Of the first condition.
        priority: u32,
    },
    /// An edge per value of some bits; equal neighbours are given once.
    Bits {
        lane: u32,
        shift: u32,
        width: u32,
        runs: Vec<Run>,
    },
    /// Parts by bounds.
    Range {
        lane: u32,
        shift: u32,
        /// The highest value of each part but the last; unused ones are the highest there is.
        last: [u16; RANGE_BOUNDS],
        children: Vec<Arc<Node>>,
    },
    /// One of two by a bit per value.
    Choice {
        lane: u32,
        shift: u32,
        bits: [u64; 4],
        children: [Arc<Node>; 2],
    },
}

/// Values that lead to the same part.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The first value behind them.
    pub(super) end: u32,
    pub(super) child: Arc<Node>,
}

impl Node {
    pub(super) fn new(kind: NodeKind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            edge: OnceLock::new(),
        })
    }
}
