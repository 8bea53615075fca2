//! The fields of a JSON body, and how the value of each is read. All errors are reported together, and unknown fields are
//! rejected.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use arcadia_domain::{Interval, InvalidValue, MAX_PRICE_CENTS, Timestamp};
use chrono::{DateTime, Datelike, NaiveDate, SubsecRound, Timelike, Utc};
use serde_json::{Map, Value};

use crate::UniqueMap;

/// The fields of a body, and the errors so far.
#[derive(Debug)]
pub struct Fields {
    /// Pointer of the object that they are fields of; empty for the body.
    object: String,
    members: Map<String, Value>,
    /// The names of the fields that the reader knows.
    known: BTreeSet<&'static str>,
    /// Unknown fields of nested objects.
    unknown: Vec<FieldError>,
    errors: Vec<FieldError>,
}

/// An error in one field of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// The field, as an RFC 6901 JSON pointer.
    pub pointer: String,
    /// A stable code.
    pub code: &'static str,
    /// A sentence for the caller.
    pub detail: String,
}

/// A body that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It is not a JSON object, or repeats a field, for this reason.
    Malformed(String),
    /// It has unknown fields: these, followed by those that are missing or invalid.
    Unknown(Vec<FieldError>),
    /// These fields are missing or invalid.
    Invalid(Vec<FieldError>),
}

/// A required field that could not be read. [`Fields::finish`] reports why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread(());

impl Fields {
    /// Parses a body.
    ///
    /// # Errors
    /// [`BodyError::Malformed`] if the body is not a JSON object or repeats a field.
    pub fn parse(text: &[u8]) -> Result<Self, BodyError> {
        let UniqueMap(members) =
            serde_json::from_slice(text).map_err(|error| BodyError::Malformed(error.to_string()))?;
        Ok(Self::of(String::new(), members))
    }

    fn of(object: String, members: Map<String, Value>) -> Self {
        Self { object, members, known: BTreeSet::new(), unknown: Vec::new(), errors: Vec::new() }
    }

    /// Reads a required object, by its own fields. Their errors are reported with those of this object.
    ///
    /// # Errors
    /// [`Unread`] if it is missing, not an object or could not be read; [`Fields::finish`] then reports why.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Unread>,
    ) -> Result<T, Unread> {
        let members = self.required(name, |value| value.as_object().cloned().ok_or(NOT_OBJECT))?;
        self.within(self.pointer(name), members, read)
    }

    fn within<T>(
        &mut self,
        pointer: String,
        members: Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Result<T, Unread>,
    ) -> Result<T, Unread> {
        let mut inner = Self::of(pointer, members);
        let value = read(&mut inner);
        let unknown = inner.left_over();
        self.unknown.extend(unknown);
        self.errors.extend(inner.errors);
        value
    }

    /// Reads a list that may be omitted or null, each element with `read`. The error of each is reported at its place.
    pub fn list<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Result<T, InvalidValue>) -> Option<Vec<T>> {
        self.elements(name, |fields, pointer, element| {
            read(element).map_err(|invalid| fields.fail_at(pointer, invalid)).ok()
        })
    }

    /// Reads a list of objects that may be omitted or null, each by its own fields.
    pub fn objects<T>(&mut self, name: &'static str, read: impl Fn(&mut Self) -> Result<T, Unread>) -> Option<Vec<T>> {
        self.elements(name, |fields, pointer, element| match element.as_object() {
            Some(members) => fields.within(pointer, members.clone(), &read).ok(),
            None => {
                fields.fail_at(pointer, NOT_OBJECT);
                None
            }
        })
    }

    fn elements<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Self, String, &Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = self.optional(name, |value| value.as_array().cloned().ok_or(NOT_LIST))?;
        let pointer = self.pointer(name);
        let read = |(place, element)| read(self, format!("{pointer}/{place}"), element);
        Some(elements.iter().enumerate().filter_map(read).collect())
    }

    /// Whether a field is present and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// The value of a field, if it is present and valid; without reporting why if it is not.
    pub fn peek<T>(&self, name: &str, read: impl Fn(&Value) -> Result<T, InvalidValue>) -> Option<T> {
        read(self.members.get(name)?).ok()
    }

    /// Reads a required field.
    ///
    /// # Errors
    /// [`Unread`] if it is missing or invalid; [`Fields::finish`] then fails and reports why.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Value) -> Result<T, InvalidValue>,
    ) -> Result<T, Unread> {
        if !self.members.contains_key(name) {
            self.miss(name);
            return Err(Unread(()));
        }
        self.settable(name, read).ok_or(Unread(()))
    }

    /// Reads a field that may be omitted or null.
    pub fn optional<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Result<T, InvalidValue>) -> Option<T> {
        self.nullable(name, read).flatten()
    }

    /// Reads a field for which omitted and null have different meanings.
    pub fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Value) -> Result<T, InvalidValue>,
    ) -> Option<Option<T>> {
        self.known.insert(name);
        match self.members.get(name)? {
            Value::Null => Some(None),
            value => match read(value) {
                Ok(value) => Some(Some(value)),
                Err(invalid) => {
                    self.fail(name, invalid);
                    None
                }
            },
        }
    }

    /// Reads a field that may be omitted but not null.
    pub fn settable<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Result<T, InvalidValue>) -> Option<T> {
        let field = self.nullable(name, read);
        if matches!(field, Some(None)) {
            self.fail(name, NOT_NULL);
        }
        field.flatten()
    }

    /// Finishes reading, with the result.
    ///
    /// # Errors
    /// [`BodyError::Unknown`] if there are unknown fields, with those that could not be read; otherwise
    /// [`BodyError::Invalid`] if a field could not be read.
    pub fn finish<T>(self, read: Result<T, Unread>) -> Result<T, BodyError> {
        let unknown = self.left_over();
        match read {
            _ if !unknown.is_empty() => Err(BodyError::Unknown([unknown, self.errors].concat())),
            Ok(read) if self.errors.is_empty() => Ok(read),
            Ok(_) | Err(Unread(())) => Err(BodyError::Invalid(self.errors)),
        }
    }

    /// The unknown fields, here and in nested objects.
    fn left_over(&self) -> Vec<FieldError> {
        let unknown = self.members.keys().filter(|name| !self.known.contains(name.as_str())).map(|name| FieldError {
            pointer: self.pointer(name),
            code: "unknown_field",
            detail: "is not a field of this request".to_owned(),
        });
        unknown.chain(self.unknown.iter().cloned()).collect()
    }

    /// Records that a field is missing, where the rest of the request makes it required.
    pub fn miss(&mut self, name: &'static str) {
        self.fail(name, REQUIRED);
    }

    /// Records that a field is invalid, where that follows from the rest of the request.
    pub fn fail(&mut self, name: &str, invalid: InvalidValue) {
        self.fail_at(self.pointer(name), invalid);
    }

    /// Records that the object as a whole is invalid.
    pub fn fail_whole(&mut self, invalid: InvalidValue) {
        self.fail_at(self.object.clone(), invalid);
    }

    fn fail_at(&mut self, pointer: String, invalid: InvalidValue) {
        self.errors.push(FieldError { pointer, code: invalid.code, detail: invalid.detail.into_owned() });
    }

    /// The number of elements of a list, if the field is one.
    #[must_use]
    pub fn len(&self, name: &str) -> Option<usize> {
        self.members.get(name)?.as_array().map(Vec::len)
    }

    fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.object, name.replace('~', "~0").replace('/', "~1"))
    }
}

const REQUIRED: InvalidValue = InvalidValue::new("required", "is required");
const NOT_OBJECT: InvalidValue = InvalidValue::new("not_an_object", "must be an object");
const NOT_LIST: InvalidValue = InvalidValue::new("not_a_list", "must be a list");
const NOT_NULL: InvalidValue = InvalidValue::new("not_null", "must not be null");

/// Reads a string as one of the domain's text types.
///
/// # Errors
/// [`InvalidValue`] if it is not a string or does not have the type's form.
pub fn text<T: FromStr<Err = InvalidValue>>(value: &Value) -> Result<T, InvalidValue> {
    value.as_str().ok_or(InvalidValue::new("not_a_string", "must be a string"))?.parse()
}

/// Reads a boolean.
///
/// # Errors
/// [`InvalidValue`] if it is not a boolean.
pub fn boolean(value: &Value) -> Result<bool, InvalidValue> {
    value.as_bool().ok_or(InvalidValue::new("not_a_boolean", "must be true or false"))
}

/// Reads a whole number from `min` to `max`. `1.0` is not a whole number.
///
/// # Errors
/// [`InvalidValue`] if it is not a whole number, or out of range.
pub fn integer<T: TryFrom<i64>>(min: i64, max: i64) -> impl Fn(&Value) -> Result<T, InvalidValue> {
    move |value| {
        const NOT_WHOLE: InvalidValue = InvalidValue::new("not_an_integer", "must be a whole number");
        if !value.is_i64() && !value.is_u64() {
            return Err(NOT_WHOLE);
        }
        let number = value.as_i64().filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| InvalidValue {
            code: "out_of_range",
            detail: Cow::Owned(format!("must be from {min} to {max}")),
        })
    }
}

/// Reads an amount of money in minor units, from 1 to [`MAX_PRICE_CENTS`].
///
/// # Errors
/// [`InvalidValue`] if it is not a whole number, or out of range.
pub fn amount(value: &Value) -> Result<i64, InvalidValue> {
    integer(1, MAX_PRICE_CENTS)(value)
}

/// Reads an object of whole numbers from `min` to `max` by interval, such as `{"year": 7500}`.
///
/// # Errors
/// [`InvalidValue`] if the value is not an object, or has a member that is not an interval with such a number.
pub fn integers_by(min: i64, max: i64) -> impl Fn(&Value) -> Result<BTreeMap<Interval, i64>, InvalidValue> {
    move |value| {
        let members = value.as_object().ok_or(NOT_OBJECT)?;
        if members.is_empty() {
            return Err(InvalidValue::new("empty", "must name at least one interval"));
        }
        let number = integer(min, max);
        members.iter().map(|(name, value)| Ok((name.parse()?, number(value)?))).collect()
    }
}

/// Reads an RFC 3339 time, truncated to milliseconds.
///
/// # Errors
/// [`InvalidValue`] if it is not an RFC 3339 time, or not in the years 1970 to 9999.
pub fn timestamp(value: &Value) -> Result<Timestamp, InvalidValue> {
    const MILLISECONDS: u16 = 3;
    let invalid = InvalidValue::new(
        "invalid_timestamp",
        "must be an RFC 3339 time in the years 1970 to 9999, such as 2027-01-31T00:00:00Z",
    );
    let text = value.as_str().ok_or_else(|| invalid.clone())?;
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| invalid.clone())?.with_timezone(&Utc);
    // A leap second is printed as :60, which many clients cannot read.
    let is_leap_second = at.nanosecond() >= 1_000_000_000;
    if (1970..=9999).contains(&at.year()) && !is_leap_second {
        Ok(at.trunc_subsecs(MILLISECONDS))
    } else {
        Err(invalid)
    }
}

/// Reads a day of the calendar.
///
/// # Errors
/// [`InvalidValue`] if it is not a date such as 2027-01-31 in the years 1970 to 9999.
pub fn date(value: &Value) -> Result<NaiveDate, InvalidValue> {
    const LEN: usize = 10;
    let invalid = InvalidValue::new("invalid_date", "must be a date in the years 1970 to 9999, such as 2027-01-31");
    let text = value.as_str().filter(|text| text.len() == LEN).ok_or_else(|| invalid.clone())?;
    let date: NaiveDate = text.parse().map_err(|_| invalid.clone())?;
    if (1970..=9999).contains(&date.year()) { Ok(date) } else { Err(invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arcadia_domain::{Slug, State};

    fn errors(fields: Fields) -> Vec<(String, &'static str)> {
        match fields.finish(Ok(())).unwrap_err() {
            BodyError::Unknown(errors) | BodyError::Invalid(errors) => {
                errors.into_iter().map(|e| (e.pointer, e.code)).collect()
            }
            BodyError::Malformed(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut fields =
            Fields::parse(br#"{"slug": "No", "state": 7, "at": null, "flag": "yes", "when": "now"}"#).unwrap();
        assert!(fields.required("slug", text::<Slug>).is_err());
        assert!(fields.optional("state", text::<State>).is_none());
        assert!(fields.required("at", timestamp).is_err());
        assert!(fields.required("missing", boolean).is_err());
        assert!(fields.settable("flag", boolean).is_none());
        assert!(fields.optional("when", timestamp).is_none());
        let expected = [
            ("/slug", "invalid_slug"),
            ("/state", "not_a_string"),
            ("/at", "not_null"),
            ("/missing", "required"),
            ("/flag", "not_a_boolean"),
            ("/when", "invalid_timestamp"),
        ];
        assert_eq!(errors(fields), expected.map(|(p, c)| (p.to_owned(), c)));
    }

    #[test]
    fn unknown_fields_do_not_hide_the_other_mistakes() {
        let mut fields = Fields::parse(br#"{"slug": "No", "a/b~": 1}"#).unwrap();
        assert!(fields.required("slug", text::<Slug>).is_err());
        let expected = [("/a~1b~0", "unknown_field"), ("/slug", "invalid_slug")];
        assert_eq!(errors(fields), expected.map(|(p, c)| (p.to_owned(), c)));
    }

    #[test]
    fn only_one_plain_object_is_a_body() {
        for bad in ["", "{", "[]", "null", "\"x\"", "1", "{} {}", r#"{"a":1,"a":2}"#, "{\"a\":\"\u{0}\"}", "\u{feff}{}"]
        {
            let error = Fields::parse(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, BodyError::Malformed(_)), "{bad:?}");
        }
        assert!(Fields::parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(Fields::parse(b" {} ").unwrap().finish(Ok(())).is_ok());
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        let read = |text: &str| timestamp(&Value::from(text)).map(|at| at.to_rfc3339());
        assert_eq!(read("2027-01-31T01:00:00.123456+01:00").unwrap(), "2027-01-31T00:00:00.123+00:00");
        for bad in [
            "2027-01-31",
            "2027-02-30T00:00:00Z",
            "+12027-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2027-06-30T23:59:60Z",
            "soon",
        ] {
            assert_eq!(read(bad).unwrap_err().code, "invalid_timestamp", "{bad}");
        }
    }
}
