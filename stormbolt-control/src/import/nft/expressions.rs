//! Operators and values within a rule.

use super::elements::elements;
use super::tokens::{Kind, Token};
use crate::import::addresses::Family;
use crate::import::draft::Read;
use crate::import::{names, values};
use crate::policy::{Accepts, Addresses, Range, TcpFlagsMatch};

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// Also where there is none.
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A place in the tokens of a rule.
pub(super) struct Cursor<'t> {
    rest: &'t [Token],
}

impl<'t> Cursor<'t> {
    pub(super) fn new(rest: &'t [Token]) -> Self {
        Self { rest }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next word, which is not taken.
    pub(super) fn peek(&self) -> Option<&'t str> {
        self.rest.first()?.word()
    }

    /// Takes the next word.
    pub(super) fn next(&mut self) -> Option<&'t str> {
        let word = self.peek()?;
        self.advance(1);
        Some(word)
    }

    pub(super) fn next_if(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word);
        if is_next {
            self.advance(1);
        }
        is_next
    }

    pub(super) fn next_if_quoted(&mut self) {
        if let Some(Token {
            kind: Kind::Quoted(_),
            ..
        }) = self.rest.first()
        {
            self.advance(1);
        }
    }

    /// Takes a word or what stands in quotes; `of` is what needs one.
    pub(super) fn value(&mut self, of: &str) -> Read<&'t str> {
        let text = self.rest.first().and_then(Token::text);
        let text = text.ok_or_else(|| format!("there is no value behind `{of}`"))?;
        self.advance(1);
        Ok(text)
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    pub(super) fn operator(&mut self) -> Operator {
        let operator = match self.peek() {
            Some("==") => Operator::Equal,
            Some("!=") => Operator::NotEqual,
            Some("<") => Operator::Less,
            Some("<=") => Operator::AtMost,
            Some(">") => Operator::Greater,
            Some(">=") => Operator::AtLeast,
            _ => return Operator::Equal,
        };
        self.advance(1);
        operator
    }

    /// Takes an operator and `@name`, if that is what comes.
    pub(super) fn set_reference(&mut self) -> Option<(Operator, String)> {
        let before = self.rest;
        let operator = self.operator();
        let name = self.peek().and_then(|word| word.strip_prefix('@'));
        let found = name.filter(|_| matches!(operator, Operator::Equal | Operator::NotEqual));
        let Some(name) = found else {
            self.rest = before;
            return None;
        };
        self.advance(1);
        Some((operator, name.to_owned()))
    }

    /// Takes a value or a set in braces.
    fn list(&mut self) -> Read<Vec<&'t str>> {
        if self
            .rest
            .first()
            .is_some_and(|token| token.kind == Kind::Open)
        {
            let inner = self.rest.get(1..).unwrap_or_default();
            let values: Vec<_> = elements(inner).map(|e| e.value()).collect::<Read<_>>()?;
            let close = self.rest.iter().position(|token| token.kind == Kind::Close);
            let close = close.ok_or("a brace is not closed")?;
            self.advance(close + 1);
            if values.is_empty() {
                return Err("an empty set matches nothing".to_owned());
            }
            return Ok(values);
        }
        let value = self.value("the field")?;
        match value {
            "&" | "|" | "^" | "and" | "or" | "xor" => {
                Err("StormBolt's rules compare whole fields, without masks".to_owned())
            }
            "vmap" | "map" => {
                Err("a map: StormBolt's rules are one list, without lookups".to_owned())
            }
            "set" => Err("it changes packets, StormBolt does not".to_owned()),
            "." => {
                Err("fields that are joined have no counterpart in StormBolt's rules".to_owned())
            }
            _ => Ok(vec![value]),
        }
    }

    /// Numbers and ranges; `end` reads one of them.
    pub(super) fn numbers<T: TryFrom<u64> + Copy + PartialOrd>(
        &mut self,
        what: &str,
        end: impl Fn(&str) -> Option<T>,
        (min, max): (T, T),
    ) -> Read<Accepts<Range<T>>> {
        let operator = self.operator();
        let values = self.list()?;
        let mut any_of = Vec::with_capacity(values.len());
        for value in values {
            // Names such as `echo-request` are no ranges.
            let whole = end(value).filter(|number| min <= *number && *number <= max);
            let single = whole.map(|number| Range {
                first: number,
                last: number,
            });
            let range = single.or_else(|| values::range(value, '-', &end, (min, max)));
            any_of.push(range.ok_or_else(|| format!("`{value}` is not a {what}"))?);
        }
        let negated = match operator {
            Operator::Equal | Operator::AtLeast | Operator::AtMost => false,
            Operator::NotEqual | Operator::Less | Operator::Greater => true,
        };
        match (operator, any_of.as_mut_slice()) {
            (Operator::Equal | Operator::NotEqual, _) => {}
            // Everything but what is at least that, or at most that.
            (Operator::AtLeast | Operator::Less, [range]) => range.last = max,
            (Operator::AtMost | Operator::Greater, [range]) => range.first = min,
            _ => return Err("a set has no order".to_owned()),
        }
        Ok(Accepts { negated, any_of })
    }

    /// Prefixes, ranges and a named set, whose position `set` knows.
    pub(super) fn addresses(
        &mut self,
        family: Family,
        set: &mut dyn FnMut(&str) -> Read<usize>,
    ) -> Read<Addresses> {
        let operator = self.operator();
        let negated = match operator {
            Operator::Equal => false,
            Operator::NotEqual => true,
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
                return Err("StormBolt's rules do not order addresses".to_owned());
            }
        };
        let mut addresses = Addresses {
            negated,
            ..Addresses::default()
        };
        for value in self.list()? {
            match value.strip_prefix('@') {
                Some(name) => addresses.sets.push(set(name)?),
                None => addresses.prefixes.extend(values::prefixes(value, family)?),
            }
        }
        if matches!(self.peek(), Some("." | "map" | "vmap")) {
            return Err(
                "fields that are joined have no counterpart in StormBolt's rules".to_owned(),
            );
        }
        Ok(addresses)
    }

    /// Names of interfaces.
    pub(super) fn names(&mut self) -> Read<Accepts<String>> {
        let negated = match self.operator() {
            Operator::Equal => false,
            Operator::NotEqual => true,
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
                return Err("interfaces have no order".to_owned());
            }
        };
        let values = self.list()?;
        if let Some(set) = values.iter().find(|value| value.starts_with('@')) {
            return Err(format!(
                "`{set}` is a set of interfaces, StormBolt's sets have prefixes"
            ));
        }
        Ok(Accepts {
            negated,
            any_of: values.into_iter().map(str::to_owned).collect(),
        })
    }

    /// `syn`, `== syn`, `! syn`, `syn / syn,ack`, `& (syn | ack) == syn` and the like.
    pub(super) fn tcp_flags(&mut self) -> Read<TcpFlagsMatch> {
        if self.next_if("&") || self.next_if("and") {
            let mask = self.flags()?;
            let negated = match self.operator() {
                Operator::Equal => false,
                Operator::NotEqual => true,
                Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
                    return Err("TCP flags have no order".to_owned());
                }
            };
            let set = self.flags()?;
            return Ok(TcpFlagsMatch { negated, mask, set });
        }
        if self.next_if("!") {
            let mask = self.flags()?;
            return Ok(TcpFlagsMatch {
                negated: false,
                mask,
                set: 0,
            });
        }
        let (is_exact, negated) = match self.peek() {
            Some("==") => (true, false),
            Some("!=") => (true, true),
            _ => (false, false),
        };
        if is_exact {
            self.advance(1);
        }
        let set = self.flags()?;
        if self.next_if("/") {
            let mask = self.flags()?;
            return Ok(TcpFlagsMatch { negated, mask, set });
        }
        if is_exact {
            return Ok(TcpFlagsMatch {
                negated,
                mask: u8::MAX,
                set,
            });
        }
        // Without an operator any one of them is enough: not that all are clear.
        Ok(TcpFlagsMatch {
            negated: true,
            mask: set,
            set: 0,
        })
    }

    /// Flags with commas or `|` between them, in parentheses or not; or a number.
    fn flags(&mut self) -> Read<u8> {
        let mut flags = 0;
        let mut depth = 0_u32;
        loop {
            while self.next_if("(") {
                depth += 1;
            }
            let name = self.value("tcp flags")?;
            let flag = names::tcp_flag(name).or_else(|| values::number(name));
            flags |= flag.ok_or_else(|| format!("`{name}` is not a TCP flag"))?;
            while depth > 0 && self.next_if(")") {
                depth -= 1;
            }
            let comma = self
                .rest
                .first()
                .is_some_and(|token| token.kind == Kind::Comma);
            if comma {
                self.advance(1);
            } else if !self.next_if("|") && !self.next_if("or") {
                break;
            }
        }
        if depth > 0 {
            return Err("a parenthesis is not closed".to_owned());
        }
        Ok(flags)
    }
}
