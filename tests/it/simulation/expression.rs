//! The part of DynamoDB's expression language that the store uses. An unknown expression panics, so a new expression of
//! the store does not go unnoticed.

use std::collections::HashMap;

use arcadia_store::item::Item;
use aws_sdk_dynamodb::types::AttributeValue;

/// The names of an expression, such as `#state`, and its values, such as `:version`.
pub struct Terms<'a> {
    pub names: Option<&'a HashMap<String, String>>,
    pub values: Option<&'a HashMap<String, AttributeValue>>,
}

impl<'a> Terms<'a> {
    /// Whether a condition holds for the stored item.
    pub fn hold(&self, condition: Option<&str>, found: Option<&Item>) -> bool {
        let Some(condition) = condition else { return true };
        outside(condition, " OR ")
            .iter()
            .any(|either| outside(either, " AND ").iter().all(|term| self.holds(term, found)))
    }

    fn holds(&self, term: &str, found: Option<&Item>) -> bool {
        match term {
            "attribute_exists(PK)" => return found.is_some(),
            "attribute_not_exists(PK)" => return found.is_none(),
            _ => {}
        }
        if let Some(inner) = term.strip_prefix('(').and_then(|term| term.strip_suffix(')')) {
            return self.hold(Some(inner), found);
        }
        if let Some(path) = term.strip_prefix("attribute_not_exists(").and_then(|term| term.strip_suffix(')')) {
            return found.and_then(|item| self.read(item, path)).is_none();
        }
        let [path, operator, value] = term.split(' ').collect::<Vec<_>>()[..] else {
            panic!("an unknown condition: {term}")
        };
        // A comparison with a missing attribute is false.
        let Some(left) = found.and_then(|item| self.read(item, path)) else { return false };
        let right = if value.starts_with(':') {
            Some(self.value(value))
        } else {
            found.and_then(|item| self.read(item, value))
        };
        let Some(right) = right else { return false };
        match operator {
            "=" => left == right,
            "<" => number(left) < number(right),
            "<=" => number(left) <= number(right),
            _ => panic!("an unknown operator: {term}"),
        }
    }

    /// Executes an update.
    pub fn apply(&self, update: &str, item: &mut Item) {
        let assignments = update.strip_prefix("SET ").unwrap_or_else(|| panic!("an unknown update: {update}"));
        let (assignments, removed) = assignments.split_once(" REMOVE ").unwrap_or((assignments, ""));
        let (assignments, added) = assignments.split_once(" ADD ").unwrap_or((assignments, ""));
        for sum in added.split(", ").filter(|sum| !sum.is_empty()) {
            let (name, more) = sum.split_once(' ').expect("what is added");
            let was = item.get(self.name(name)).map_or(0, number);
            item.insert(self.name(name).to_owned(), AttributeValue::N((was + number(self.value(more))).to_string()));
        }
        for name in removed.split(", ") {
            item.remove(self.name(name));
        }
        for assignment in outside(assignments, ",") {
            let (path, value) = assignment.split_once(" = ").expect("an assignment");
            let value = self.compute(value, item);
            let mut names: Vec<&str> = path.split('.').map(|name| self.name(name)).collect();
            let last = names.pop().expect("a path");
            let mut map = &mut *item;
            for name in names {
                let Some(AttributeValue::M(inner)) = map.get_mut(name) else { panic!("no map at {path}") };
                map = inner;
            }
            map.insert(last.to_owned(), value);
        }
    }

    /// The assigned value: a value, the present value or else a value, the sum of the present value and a value, or the
    /// present list with the elements of another.
    fn compute(&self, value: &str, item: &Item) -> AttributeValue {
        if let Some((present, more)) = value.split_once(" + ") {
            return AttributeValue::N((number(&self.present(present, item)) + number(self.value(more))).to_string());
        }
        if let Some(lists) = value.strip_prefix("list_append(") {
            let (present, more) = lists.strip_suffix(')').and_then(|lists| lists.rsplit_once(", ")).expect("two lists");
            let list = |value: &AttributeValue| value.as_l().expect("a list").clone();
            return AttributeValue::L([list(&self.present(present, item)), list(self.value(more))].concat());
        }
        if value.starts_with("if_not_exists(") {
            return self.present(value, item);
        }
        self.value(value).clone()
    }

    /// The present value at a path, or the default that the expression names.
    fn present(&self, text: &str, item: &Item) -> AttributeValue {
        let Some(inner) = text.strip_prefix("if_not_exists(").and_then(|text| text.strip_suffix(')')) else {
            return self.read(item, text).unwrap_or_else(|| panic!("nothing is at {text}")).clone();
        };
        let (path, otherwise) = inner.split_once(", ").expect("a path and a value");
        self.read(item, path).unwrap_or_else(|| self.value(otherwise)).clone()
    }

    fn read<'b>(&self, item: &'b Item, path: &str) -> Option<&'b AttributeValue> {
        let mut names = path.split('.').map(|name| self.name(name));
        let first = item.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_m().ok()?.get(name))
    }

    fn name<'b>(&'b self, name: &'b str) -> &'b str {
        if !name.starts_with('#') {
            return name;
        }
        self.names.and_then(|names| names.get(name)).unwrap_or_else(|| panic!("the name {name} stands for nothing"))
    }

    fn value(&self, name: &str) -> &'a AttributeValue {
        let value = self.values.and_then(|values| values.get(name));
        value.unwrap_or_else(|| panic!("the value {name} stands for nothing"))
    }
}

/// The parts of a text between separators that are outside of parentheses.
fn outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, sign) in text.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[index..].starts_with(separator) => {
                parts.push(text[start..index].trim());
                start = index + separator.len();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn number(value: &AttributeValue) -> i64 {
    value.as_n().expect("a number").parse().expect("a whole number")
}
