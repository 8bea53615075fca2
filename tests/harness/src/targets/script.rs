//! Inputs that are made of numbers, or of commands with numbers, written so that people can read them and that hardly
//! any change makes them invalid.

use std::iter::Peekable;
use std::slice::Iter;

/// The numbers of a text, in order. Whatever else stands in it is for the reader.
#[derive(Debug)]
pub struct Numbers<'a>(Peekable<Iter<'a, u8>>);

impl<'a> Numbers<'a> {
    /// The numbers of `text`.
    pub fn of(text: &'a [u8]) -> Self {
        Self(text.iter().peekable())
    }

    /// The next number, made to lie within `min..=max`; `min` if there is none.
    pub fn within(&mut self, min: i64, max: i64) -> i64 {
        let number = self.next().unwrap_or(min);
        if (min..=max).contains(&number) {
            return number;
        }
        let (number, min, size) = (i128::from(number), i128::from(min), i128::from(max) - i128::from(min) + 1);
        i64::try_from(min + number.rem_euclid(size)).expect("a number between two of its kind")
    }
}

impl Iterator for Numbers<'_> {
    type Item = i64;

    /// A number has a sign if a hyphen stands before it, and nothing, a blank or a comma before that.
    fn next(&mut self) -> Option<i64> {
        let (mut before, mut last) = (b' ', b' ');
        while let Some(byte) = self.0.next_if(|byte| !byte.is_ascii_digit()) {
            (before, last) = (last, *byte);
        }
        self.0.peek()?;
        let negative = last == b'-' && matches!(before, b' ' | b',' | b'\n');
        let mut number = 0_i64;
        while let Some(digit) = self.0.next_if(|byte| byte.is_ascii_digit()) {
            number = number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
        }
        Some(if negative { -number } else { number })
    }
}

/// One command of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is done: any character that is no digit, comma or blank.
    pub letter: u8,
    /// With what: the two numbers that follow the letter, with a comma between; zero if they do not.
    pub numbers: (usize, usize),
}

/// The first `limit` commands of a text. From a number sign to the end of the line is for the reader.
pub fn steps(text: &[u8], limit: usize) -> Vec<Step> {
    let mut bytes = text.iter().peekable();
    let mut steps = Vec::new();
    while let Some(&letter) = bytes.next() {
        match letter {
            b'#' => while bytes.next_if(|byte| **byte != b'\n').is_some() {},
            b',' | b'0'..=b'9' => {}
            _ if letter.is_ascii_whitespace() => {}
            _ => {
                let first = number(&mut bytes);
                let second = bytes.next_if_eq(&&b',').map_or(0, |_| number(&mut bytes));
                steps.push(Step { letter, numbers: (first, second) });
                if steps.len() == limit {
                    break;
                }
            }
        }
    }
    steps
}

fn number(bytes: &mut Peekable<Iter<'_, u8>>) -> usize {
    let mut number = 0_usize;
    while let Some(digit) = bytes.next_if(|byte| byte.is_ascii_digit()) {
        number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    }
    number
}
