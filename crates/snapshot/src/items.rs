//! Parts of a description that are made when they are printed: an image of a few kilobytes may expand to millions of values.

use crate::view::{StoreView, Value};
use serde::{Serialize, Serializer};
use std::fmt;

/// How one of a list is described: store, place in the list, the thing itself. `None`: not at all.
type Describe<'a, T, D> = fn(&'a StoreView, usize, &'a T) -> Option<D>;

/// A list of which each is described when it is its turn.
pub struct Items<'a, T, D> {
    store: &'a StoreView,
    list: &'a [T],
    describe: Describe<'a, T, D>,
}

impl<'a, T, D> Items<'a, T, D> {
    pub(crate) fn new(store: &'a StoreView, list: &'a [T], describe: Describe<'a, T, D>) -> Self {
        Items { store, list, describe }
    }

    /// The descriptions, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = D> + use<'a, T, D> {
        let (store, describe) = (self.store, self.describe);
        self.list.iter().enumerate().filter_map(move |(nth, item)| describe(store, nth, item))
    }

    /// The description of the `nth` thing of the list, if it has one.
    pub fn get(&self, nth: usize) -> Option<D> {
        (self.describe)(self.store, nth, self.list.get(nth)?)
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<T, D> Clone for Items<'_, T, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, D> Copy for Items<'_, T, D> {}

impl<T, D: fmt::Debug> fmt::Debug for Items<'_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T, D: Serialize> Serialize for Items<'_, T, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A value with its type. As JSON, floats come with their bits, as JSON has no NaN; so do vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown(pub Value);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts<V> {
            #[serde(rename = "type")]
            ty: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<V>,
            #[serde(skip_serializing_if = "Option::is_none")]
            bits: Option<String>,
        }
        fn value<V>(ty: &'static str, value: V) -> Parts<V> {
            Parts { ty, value: Some(value), bits: None }
        }
        let float = |ty, value: f64, bits| Parts { ty, value: Some(value), bits: Some(bits) };
        match self.0 {
            Value::I32(n) => value("i32", n).serialize(serializer),
            Value::I64(n) => value("i64", n).serialize(serializer),
            Value::F32(bits) => {
                float("f32", f32::from_bits(bits).into(), format!("{bits:#010x}")).serialize(serializer)
            }
            Value::F64(bits) => {
                float("f64", f64::from_bits(bits), format!("{bits:#018x}")).serialize(serializer)
            }
            Value::V128(bits) => Parts::<()> { ty: "v128", value: None, bits: Some(format!("{bits:#034x}")) }
                .serialize(serializer),
            Value::FuncRef(func) => value("funcref", func).serialize(serializer),
            Value::ExternRef(object) => value("externref", object).serialize(serializer),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::FuncId;
    use serde_json::{Value as Json, json};

    fn value(value: &Value) -> Json {
        serde_json::to_value(Shown(*value)).unwrap()
    }

    #[test]
    fn values_keep_their_bits() {
        assert_eq!(value(&Value::I32(u32::MAX)), json!({ "type": "i32", "value": 4294967295u32 }));
        assert_eq!(
            value(&Value::F32(0x7fc0_0001)),
            json!({ "type": "f32", "value": null, "bits": "0x7fc00001" })
        );
        assert_eq!(value(&Value::F64(1.5f64.to_bits()))["value"], json!(1.5));
        assert_eq!(
            value(&Value::V128(1)),
            json!({ "type": "v128", "bits": "0x00000000000000000000000000000001" })
        );
        let f = FuncId { instance: 1, func: 2 };
        assert_eq!(value(&Value::FuncRef(Some(f)))["value"], json!({ "instance": 1, "func": 2 }));
        assert_eq!(value(&Value::ExternRef(None)), json!({ "type": "externref", "value": null }));
    }
}
