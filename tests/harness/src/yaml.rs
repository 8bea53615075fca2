//! `template.yaml` and those that belong to it, read as JSON: a node with a tag becomes an object, so `!Ref Table` is `{"!Ref": "Table"}`.

use std::fs;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

use super::project::ROOT;

/// Reads the project's template.
pub fn template() -> Value {
    read("template.yaml")
}

/// Reads one of the project's templates.
pub fn read(name: &str) -> Value {
    let text = fs::read_to_string(format!("{ROOT}/{name}")).expect(name);
    let documents = Yaml::load_from_str(&text).expect("a template is YAML");
    let [document] = &documents[..] else { panic!("{name} is not one document") };
    to_json(document)
}

fn to_json(node: &Yaml) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Integer(value) => (*value).into(),
            Scalar::FloatingPoint(value) => value.into_inner().into(),
            Scalar::String(text) => text.as_ref().into(),
        },
        Yaml::Sequence(nodes) => nodes.iter().map(to_json).collect(),
        Yaml::Mapping(fields) => {
            let entry = |(name, node)| (to_json(name).as_str().expect("names are texts").to_owned(), to_json(node));
            Value::Object(fields.iter().map(entry).collect())
        }
        Yaml::Tagged(tag, node) => {
            Value::Object(Map::from_iter([(format!("{}{}", tag.handle, tag.suffix), to_json(node))]))
        }
        other => panic!("a template has a node that this test cannot read: {other:?}"),
    }
}
