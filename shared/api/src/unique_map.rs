//! JSON objects without repeated names: bodies of requests and claims of tokens. Parsers disagree about which value of
//! a repeated name counts, and the default one keeps the last.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object without repeated names. Reading one with a repeated name is an error. Objects inside it are not
/// checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueMap(pub Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueMapVisitor;

        impl<'de> Visitor<'de> for UniqueMapVisitor {
            type Value = UniqueMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueMap, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("the field {name:?} is repeated")));
                    }
                    map.insert(name, value);
                }
                Ok(UniqueMap(map))
            }
        }

        deserializer.deserialize_map(UniqueMapVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_is_an_error() {
        let UniqueMap(map) = serde_json::from_str(r#"{"b": 1, "a": {"c": 2}}"#).unwrap();
        assert_eq!(map.keys().collect::<Vec<_>>(), ["b", "a"]);
        let error = serde_json::from_str::<UniqueMap>(r#"{"a": 1, "b": 2, "\u0061": 1}"#).unwrap_err().to_string();
        assert!(error.contains("the field \"a\" is repeated"), "{error}");
        let error = serde_json::from_str::<UniqueMap>("[]").unwrap_err().to_string();
        assert!(error.contains("expected an object"), "{error}");
    }
}
