//! The words of a text for nft.

/// A word, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, a number, an address, a range, `@name`, or an operator.
    Word(String),
    /// What stood in quotes.
    Quoted(String),
    Open,
    Close,
    Comma,
    /// The end of a statement: a line break or a semicolon.
    End,
}

impl Token {
    /// The word or operator; nothing for braces, commas and quoted text.
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Quoted(_) | Kind::Open | Kind::Close | Kind::Comma | Kind::End => None,
        }
    }

    /// The word or the quoted text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(text) | Kind::Quoted(text) => Some(text),
            Kind::Open | Kind::Close | Kind::Comma | Kind::End => None,
        }
    }
}

/// Parts a text into tokens. Comments begin with `#`; every text has tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut reader = Reader {
            line: index + 1,
            tokens: &mut tokens,
            word: String::new(),
        };
        if reader.read(line) {
            reader.push(Kind::End);
        }
    }
    tokens
}

struct Reader<'t> {
    line: usize,
    tokens: &'t mut Vec<Token>,
    word: String,
}

impl Reader<'_> {
    /// Returns whether the line ends a statement, which it does not with a backslash at its end.
    fn read(&mut self, text: &str) -> bool {
        let (text, ends) = match text.trim_end().strip_suffix('\\') {
            Some(text) => (text, false),
            None => (text, true),
        };
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '#' => break,
                '"' => {
                    self.end_word();
                    let quoted = characters.by_ref().take_while(|c| *c != '"').collect();
                    self.push(Kind::Quoted(quoted));
                }
                '{' => self.punctuation(Kind::Open),
                '}' => self.punctuation(Kind::Close),
                ',' => self.punctuation(Kind::Comma),
                ';' => self.punctuation(Kind::End),
                '(' | ')' | '&' | '|' | '^' => self.operator(character.to_string()),
                '=' | '!' | '<' | '>' => {
                    let double = characters.next_if(|next| matches!(next, '=' | '<' | '>'));
                    self.operator([character].into_iter().chain(double).collect());
                }
                _ if character.is_whitespace() => self.end_word(),
                _ => self.word.push(character),
            }
        }
        self.end_word();
        ends
    }

    fn punctuation(&mut self, kind: Kind) {
        self.end_word();
        self.push(kind);
    }

    fn operator(&mut self, operator: String) {
        self.punctuation(Kind::Word(operator));
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            let word = std::mem::take(&mut self.word);
            self.push(Kind::Word(word));
        }
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token {
            line: self.line,
            kind,
        });
    }
}
