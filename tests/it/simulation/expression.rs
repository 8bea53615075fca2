//! The part of DynamoDB's expression language that the store uses, evaluated truly. What is not known here panics, so
//! that a new expression of the store cannot pass unnoticed.

use std::collections::HashMap;

use arcadia_shared::store::items::Item;
use aws_sdk_dynamodb::types::AttributeValue;

/// An expression's own names, as `#state`, and values, as `:version`.
pub struct Terms<'a> {
    pub names: Option<&'a HashMap<String, String>>,
    pub values: Option<&'a HashMap<String, AttributeValue>>,
}

impl<'a> Terms<'a> {
    /// Whether a condition holds for what is there.
    pub fn hold(&self, condition: Option<&str>, found: Option<&Item>) -> bool {
        let Some(condition) = condition else { return true };
        condition.split(" OR ").any(|either| either.split(" AND ").all(|term| self.holds(term, found)))
    }

    fn holds(&self, term: &str, found: Option<&Item>) -> bool {
        match term {
            "attribute_exists(PK)" => return found.is_some(),
            "attribute_not_exists(PK)" => return found.is_none(),
            _ => {}
        }
        let [path, operator, value] = term.split(' ').collect::<Vec<_>>()[..] else {
            panic!("an unknown condition: {term}")
        };
        // What is not there compares with nothing.
        let Some(left) = found.and_then(|item| self.read(item, path)) else { return false };
        let right = self.value(value);
        match operator {
            "=" => left == right,
            "<=" => number(left) <= number(right),
            _ => panic!("an unknown operator: {term}"),
        }
    }

    /// Carries an update out.
    pub fn apply(&self, update: &str, item: &mut Item) {
        let assignments = update.strip_prefix("SET ").unwrap_or_else(|| panic!("an unknown update: {update}"));
        for assignment in assignments.split(", ") {
            let (path, value) = assignment.split_once(" = ").expect("an assignment");
            let mut names: Vec<&str> = path.split('.').map(|name| self.name(name)).collect();
            let last = names.pop().expect("a path");
            let mut map = &mut *item;
            for name in names {
                let Some(AttributeValue::M(inner)) = map.get_mut(name) else { panic!("no map at {path}") };
                map = inner;
            }
            map.insert(last.to_owned(), self.value(value).clone());
        }
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

fn number(value: &AttributeValue) -> i64 {
    value.as_n().expect("a number").parse().expect("a whole number")
}
