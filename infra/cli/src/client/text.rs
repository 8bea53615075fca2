//! Styled text: aligned columns, money and times. The printer strips the styles unless the output is a terminal.

use std::fmt;

use anstyle::{AnsiColor, Style};
use arcadia_domain::{Currency, State, Timestamp, is_invisible};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

/// No style.
pub const PLAIN: Style = Style::new();
/// Most important.
pub const BOLD: Style = Style::new().bold();
/// Least important.
pub const DIM: Style = Style::new().dimmed();
/// Good or possible.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Waiting.
pub const WAITING: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub const ALARM: Style = AnsiColor::Red.on_default().bold();

/// Number of columns between two columns of a table.
const GAP: usize = 2;

/// Lines, ready to be printed.
#[derive(Debug, Default)]
pub struct Text(String);

/// A piece of a line.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
    to_the_right: bool,
}

/// Formats text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

impl Text {
    /// Adds a line of consecutive cells.
    pub fn line(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for cell in cells {
            self.0.push_str(&cell.to_string());
        }
        self.end_line();
    }

    /// Appends another text.
    pub fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        self.0.push('\n');
    }

    /// Adds rows whose columns are aligned, each row behind an indent.
    pub fn table(&mut self, indent: usize, rows: &[Vec<Cell>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|n| rows.iter().filter_map(|row| row.get(n)).map(Cell::width).max().unwrap_or(0))
            .collect();
        for row in rows {
            self.0.push_str(&" ".repeat(indent));
            for (cell, width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width - cell.width());
                if cell.to_the_right {
                    self.0.push_str(&padding);
                }
                self.0.push_str(&cell.to_string());
                if !cell.to_the_right {
                    self.0.push_str(&padding);
                }
                self.0.push_str(&" ".repeat(GAP));
            }
            self.end_line();
        }
    }

    /// Adds a table with its headings, or a line that says that the list is empty.
    pub fn list(&mut self, heads: &[&str], rows: Vec<Vec<Cell>>) {
        if rows.is_empty() {
            return self.line([cell(DIM, "none")]);
        }
        let mut all = vec![heads.iter().map(|head| cell(DIM, &head.to_uppercase())).collect::<Vec<_>>()];
        // A heading is aligned like its column.
        for (n, head) in all[0].iter_mut().enumerate() {
            head.to_the_right = rows[0].get(n).is_some_and(|cell| cell.to_the_right);
        }
        all.extend(rows);
        self.table(0, &all);
    }

    fn end_line(&mut self) {
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Cell {
    fn width(&self) -> usize {
        self.text.width()
    }

    /// Aligns the cell to the right.
    pub const fn right(mut self) -> Self {
        self.to_the_right = true;
        self
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.style.is_plain() || self.text.is_empty() {
            f.write_str(&self.text)
        } else {
            f.write_str(&styled(self.style, &self.text))
        }
    }
}

/// Escapes invisible characters, so that text from tenants and servers can neither control the terminal nor imitate
/// other output.
pub fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => seen.extend(c.escape_default()),
            _ if is_invisible(c) => seen.extend(c.escape_unicode()),
            _ => seen.push(c),
        }
    }
    seen
}

/// Like [`visible`], for JSON, which keeps its meaning: invisible characters occur only in its strings.
pub fn visible_json(json: &str) -> String {
    let mut seen = String::with_capacity(json.len());
    for c in json.chars() {
        if is_invisible(c) && !matches!(c, '\n' | '\r' | '\t') {
            seen.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            seen.push(c);
        }
    }
    seen
}

/// Like [`visible`], for text of several lines.
pub fn visible_lines(lines: &str) -> String {
    lines.split_inclusive("\r\n").map(|line| visible(line.trim_end_matches("\r\n")) + "\r\n").collect()
}

/// A cell in a style.
pub fn cell(style: Style, text: &str) -> Cell {
    Cell { text: visible(text), style, to_the_right: false }
}

/// A cell without a style.
pub fn plain(text: &str) -> Cell {
    cell(PLAIN, text)
}

/// The style of a state.
pub fn style_of(state: &str) -> Style {
    match state {
        "active" | "paid" => GOOD,
        "trial" | "paused" | "open" => WAITING,
        "past_due" | "suspended" | "uncollectible" => ALARM,
        _ => DIM,
    }
}

/// A state of a deployment in its style.
pub fn state(state: State) -> Cell {
    cell(style_of(state.as_str()), state.as_str())
}

/// A status in its style, by its name in the API.
pub fn status(status: impl Serialize) -> Cell {
    let name = name_of(status);
    cell(style_of(&name), &name)
}

/// The name of a value of an enum in the API.
pub fn name_of(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Formats a time to the minute, in UTC.
pub fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// Formats the day of a time, in UTC.
pub fn date(at: Timestamp) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// Formats an amount of minor units in its currency.
pub fn money(cents: i64, currency: Currency) -> String {
    let currency = currency.as_str();
    let digits = minor_digits(currency);
    let unit = 10_u64.pow(digits);
    let (sign, amount) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    if digits == 0 {
        return format!("{sign}{amount} {currency}");
    }
    let width = usize::try_from(digits).unwrap_or_default();
    format!("{sign}{}.{:0width$} {currency}", amount / unit, amount % unit)
}

/// Number of digits of a currency's minor unit (ISO 4217, list one).
pub fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut text = Text::default();
        let rows = vec![
            vec![plain("shop"), cell(GOOD, "active"), plain("1").right()],
            vec![plain("\u{6771}\u{4eac}"), plain("x"), plain("100").right()],
        ];
        text.list(&["name", "state", "n"], rows);
        let seen = anstream::adapter::strip_str(&text.to_string()).to_string();
        assert_eq!(seen, "NAME  STATE     N\nshop  active    1\n\u{6771}\u{4eac}  x       100\n");
        let mut none = Text::default();
        none.list(&["name"], Vec::new());
        assert_eq!(anstream::adapter::strip_str(&none.to_string()).to_string(), "none\n");
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc").to_string(), "a\\u{1b}[31mb\\nc");
        assert_eq!(plain("\u{202e}pohs\u{200b} caf\u{e9}").to_string(), "\\u{202e}pohs\\u{200b} caf\u{e9}");
        let json = "{\"name\": \"\u{9b}31m\u{202e}\u{e0041}\u{e9}\"}\n";
        let shown = visible_json(json);
        assert_eq!(shown, "{\"name\": \"\\u009b31m\\u202e\\udb40\\udc41\u{e9}\"}\n");
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }

    #[test]
    fn money_has_as_many_digits_as_its_currency() {
        for (cents, currency, text) in [
            (2_900, "USD", "29.00 USD"),
            (-5, "EUR", "-0.05 EUR"),
            (500, "JPY", "500 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (i64::MIN, "USD", "-92233720368547758.08 USD"),
        ] {
            assert_eq!(money(cents, currency.parse().unwrap()), text);
        }
    }
}
