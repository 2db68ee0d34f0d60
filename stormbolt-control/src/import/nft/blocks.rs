//! Tables, and the sets and chains in them.

use super::tokens::{Kind, Token};

/// A statement, or a block with its statements.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// The words of the statement or before the block; a set in braces is part of a statement.
    pub(super) words: &'t [Token],
    /// What stands in the block.
    pub(super) block: Option<&'t [Token]>,
}

impl Node<'_> {
    /// Line that it begins on.
    pub(super) fn line(&self) -> usize {
        self.words.first().map_or(0, |token| token.line)
    }

    /// The words up to the first that is none.
    pub(super) fn header(&self) -> Vec<&str> {
        self.words.iter().map_while(Token::text).collect()
    }
}

/// Parts tokens into statements and blocks.
pub(super) struct Nodes<'t> {
    rest: &'t [Token],
    /// Which words begin a block.
    is_header: fn(&str) -> bool,
}

impl<'t> Nodes<'t> {
    pub(super) fn new(tokens: &'t [Token], is_header: fn(&str) -> bool) -> Self {
        Self {
            rest: tokens,
            is_header,
        }
    }

    fn take(&mut self, count: usize) -> &'t [Token] {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

impl<'t> Iterator for Nodes<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        // A brace too many is skipped too: what follows is still read.
        let skipped = |token: &&Token| matches!(token.kind, Kind::End | Kind::Close);
        let empty = self.rest.iter().take_while(skipped).count();
        self.take(empty);
        let first = self.rest.first()?;
        if first.word().is_some_and(self.is_header) {
            let is_open = |token: &Token| matches!(token.kind, Kind::Open | Kind::End);
            let words = self
                .rest
                .iter()
                .position(is_open)
                .unwrap_or(self.rest.len());
            let words = self.take(words);
            if self
                .rest
                .first()
                .is_none_or(|token| token.kind != Kind::Open)
            {
                return Some(Node { words, block: None });
            }
            self.take(1);
            let block = self.take(until(self.rest, false));
            self.take(1);
            return Some(Node {
                words,
                block: Some(block),
            });
        }
        // At least one, so that this ends.
        let words = self.take(until(self.rest, true).max(1));
        Some(Node { words, block: None })
    }
}

/// How many tokens stand before the brace that closes what is open, or before the end of the
/// statement outside of braces.
fn until(tokens: &[Token], statement: bool) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => return index,
            Kind::Close => depth -= 1,
            Kind::End if depth == 0 && statement => return index,
            Kind::End | Kind::Word(_) | Kind::Quoted(_) | Kind::Comma => {}
        }
    }
    tokens.len()
}
