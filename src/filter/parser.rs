//! From text to an expression, by recursive descent. Refuses to nest deeper than anybody types.

use regex_lite::Regex;

use crate::table::{self, ColumnInfo, Kind};

use super::{Comparison, Expression, FilterError, Pattern, number};

/// Deepest nesting of parentheses and `!`: keeps the stack bounded whatever is pasted.
const DEEPEST: usize = 50;

pub(super) fn parse(source: &str) -> Result<Option<Expression>, FilterError> {
    let mut parser = Parser { source, at: 0, depth: 0 };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(_) => Err(parser.error("this parenthesis was never opened")),
    }
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.take("|") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one()?];
        while self.peek().is_some_and(|next| !matches!(next, '|' | ')')) {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        if self.depth == DEEPEST {
            return Err(self.error("nested too deep"));
        }
        self.depth += 1;
        let expression = match self.peek() {
            Some('!') => {
                self.take("!");
                Expression::Not(Box::new(self.one()?))
            }
            Some('(') => self.parenthesis()?,
            _ => self.condition()?,
        };
        self.depth -= 1;
        self.skip_space();
        Ok(expression)
    }

    fn parenthesis(&mut self) -> Result<Expression, FilterError> {
        let opened = self.at;
        self.take("(");
        let inner = self.any()?;
        if self.take(")") {
            return Ok(inner);
        }
        Err(FilterError { at: opened, message: "this parenthesis is never closed".into() })
    }

    fn condition(&mut self) -> Result<Expression, FilterError> {
        if let Some(pattern) = self.regex()? {
            return Ok(Expression::Somewhere(pattern));
        }
        let start = self.at;
        let quoted = self.rest().starts_with('"');
        let Some(word) = self.word()? else {
            return Err(match self.peek() {
                Some('<' | '>' | '=' | '~') => self.error("expected a column before this, like rss in rss>1g"),
                _ => self.error("expected a word or a comparison, like rss>1g"),
            });
        };
        let end = self.at;
        self.skip_space();
        let operator_at = self.at;
        let Some(operator) = self.operator().filter(|_| !quoted) else {
            self.at = end;
            return Ok(Expression::Somewhere(Pattern::Contains(word.to_lowercase())));
        };
        let column = table::named(word).map_err(|message| FilterError {
            at: start,
            message: format!("{message} (to search for the text itself, put it in \"quotes\")"),
        })?;
        self.skip_space();
        let value_at = self.at;
        let &ColumnInfo { kind, key, .. } = table::info(column);
        if kind == Kind::Text {
            let pattern = match operator {
                Operator::Like => match self.regex()? {
                    Some(regex) => regex,
                    None => Pattern::Contains(self.value(key)?.to_lowercase()),
                },
                Operator::Compare(Comparison::Equal) => Pattern::Is(self.value(key)?.to_owned()),
                Operator::Compare(Comparison::NotEqual) => Pattern::IsNot(self.value(key)?.to_owned()),
                Operator::Compare(_) => {
                    let message = format!("{key} is text: compare it with =, != or ~");
                    return Err(FilterError { at: operator_at, message });
                }
            };
            return Ok(Expression::Text(column, pattern));
        }
        let Operator::Compare(comparison) = operator else {
            let message = format!("{key} is a number: compare it with <, <=, >, >=, = or !=");
            return Err(FilterError { at: operator_at, message });
        };
        let value = self.value(key)?;
        let value = number(kind, value).map_err(|message| FilterError { at: value_at, message })?;
        Ok(Expression::Number(column, comparison, value))
    }

    fn operator(&mut self) -> Option<Operator> {
        let (length, operator) = match self.rest().as_bytes() {
            [b'<', b'=', ..] => (2, Operator::Compare(Comparison::LessOrEqual)),
            [b'>', b'=', ..] => (2, Operator::Compare(Comparison::GreaterOrEqual)),
            [b'!', b'=', ..] => (2, Operator::Compare(Comparison::NotEqual)),
            [b'=', b'=', ..] => (2, Operator::Compare(Comparison::Equal)),
            [b'<', ..] => (1, Operator::Compare(Comparison::Less)),
            [b'>', ..] => (1, Operator::Compare(Comparison::Greater)),
            [b'=', ..] => (1, Operator::Compare(Comparison::Equal)),
            [b'~', ..] => (1, Operator::Like),
            _ => return None,
        };
        self.at += length;
        Some(operator)
    }

    fn value(&mut self, key: &str) -> Result<&'a str, FilterError> {
        self.word()?.ok_or_else(|| self.error(&format!("expected a value to compare {key} with")))
    }

    /// A quoted or a bare word; `None` where neither begins here.
    fn word(&mut self) -> Result<Option<&'a str>, FilterError> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some(length) = quoted.find('"') else {
                return Err(self.error("this quote is never closed"));
            };
            self.at += length + 2;
            return Ok(Some(&quoted[..length]));
        }
        let ends = |(at, character): (usize, char)| {
            character.is_whitespace()
                || matches!(character, '(' | ')' | '|' | '<' | '>' | '=' | '~')
                || rest[at..].starts_with("!=")
        };
        let length = rest.char_indices().find(|&next| ends(next)).map_or(rest.len(), |(at, _)| at);
        self.at += length;
        Ok(Some(&rest[..length]).filter(|word| !word.is_empty()))
    }

    /// `/text/` up to a slash with which the condition ends; `None` where there is no such slash: then it is a path,
    /// like `/usr/bin`.
    fn regex(&mut self) -> Result<Option<Pattern>, FilterError> {
        let Some(rest) = self.rest().strip_prefix('/') else { return Ok(None) };
        let closes = |at: usize| {
            !rest[..at].ends_with('\\')
                && rest[at + 1..].chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, ')' | '|'))
        };
        let Some(length) = rest.match_indices('/').map(|(at, _)| at).find(|&at| at > 0 && closes(at)) else {
            return Ok(None);
        };
        let regex = Regex::new(&rest[..length])
            .map_err(|error| FilterError { at: self.at + 1, message: format!("not a regular expression: {error}") })?;
        self.at += length + 2;
        Ok(Some(Pattern::Regex(regex)))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.source.len() - self.rest().trim_start().len();
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        self.skip_space();
        is_next
    }

    fn error(&self, message: &str) -> FilterError {
        FilterError { at: self.at, message: message.into() }
    }
}

enum Operator {
    Compare(Comparison),
    Like,
}

fn one_or(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}
