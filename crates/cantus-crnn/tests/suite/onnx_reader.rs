//! Reads an ONNX file back, by the field numbers of `onnx/onnx.proto`.

use std::collections::BTreeMap;

/// A file.
pub(crate) struct Onnx {
    pub(crate) ir_version: u64,
    pub(crate) operators_version: u64,
    pub(crate) producer: String,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The graph as it stands in the file.
    pub(crate) graph_bytes: Vec<u8>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: BTreeMap<String, Initializer>,
    /// Names, and of each axis its length or its name.
    pub(crate) inputs: Vec<(String, Vec<String>)>,
    pub(crate) outputs: Vec<(String, Vec<String>)>,
}

pub(crate) struct Node {
    pub(crate) operator: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    /// As text.
    pub(crate) attributes: BTreeMap<String, String>,
}

pub(crate) struct Initializer {
    pub(crate) shape: Vec<u64>,
    pub(crate) element_type: u64,
    pub(crate) data: Vec<u8>,
}

impl Initializer {
    pub(crate) fn floats(&self) -> Vec<f32> {
        assert_eq!(self.element_type, 1, "floats of 32 bits");
        self.data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

impl Onnx {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let model = Message::read(bytes);
        let graph = model.message(7);
        let entries = model.messages(14).into_iter();
        let initializers = graph.messages(5).into_iter().map(|tensor| {
            let shape = tensor.numbers(1);
            let initializer = Initializer {
                shape,
                element_type: tensor.numbers(2)[0],
                data: tensor.bytes(9)[0].clone(),
            };
            (tensor.text(8), initializer)
        });
        let initializers: Vec<_> = initializers.collect();
        let count = initializers.len();
        let initializers: BTreeMap<_, _> = initializers.into_iter().collect();
        assert_eq!(initializers.len(), count, "two constants have one name");
        Self {
            ir_version: model.numbers(1)[0],
            operators_version: model.message(8).numbers(2)[0],
            producer: format!("{} {}", model.text(2), model.text(3)),
            metadata: entries.map(|entry| (entry.text(1), entry.text(2))).collect(),
            graph_bytes: model.bytes(7)[0].clone(),
            nodes: graph.messages(1).iter().map(node).collect(),
            initializers,
            inputs: graph.messages(11).iter().map(value).collect(),
            outputs: graph.messages(12).iter().map(value).collect(),
        }
    }

    pub(crate) fn operators(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.operator.as_str()).collect()
    }
}

fn node(message: &Message) -> Node {
    let attributes = message.messages(5).into_iter().map(|attribute| {
        let floats = |field| {
            let numbers = attribute.numbers(field).into_iter();
            numbers.map(|bits| f32::from_bits(bits as u32)).collect::<Vec<_>>()
        };
        let text = match attribute.numbers(20)[0] {
            1 => format!("{}", floats(2)[0]),
            2 => format!("{}", attribute.numbers(3)[0] as i64),
            6 => format!("{:?}", floats(7)),
            7 => format!("{:?}", attribute.numbers(8)),
            8 => format!("{:?}", attribute.texts(9)),
            other => panic!("an attribute of type {other}"),
        };
        (attribute.text(1), text)
    });
    Node {
        operator: message.text(4),
        inputs: message.texts(1),
        outputs: message.texts(2),
        attributes: attributes.collect(),
    }
}

fn value(message: &Message) -> (String, Vec<String>) {
    let tensor = message.message(2).message(1);
    assert_eq!(tensor.numbers(1), [1], "floats of 32 bits");
    let axes = tensor.message(2).messages(1).into_iter().map(|axis| match axis.numbers(1)[..] {
        [length] => length.to_string(),
        _ => axis.text(2),
    });
    (message.text(1), axes.collect())
}

/// Numbers and bytes by field, in their order.
#[derive(Default)]
struct Message {
    numbers: BTreeMap<u64, Vec<u64>>,
    bytes: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl Message {
    fn read(mut bytes: &[u8]) -> Self {
        let mut message = Self::default();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            match key & 7 {
                0 => message.numbers.entry(key >> 3).or_default().push(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    message.bytes.entry(key >> 3).or_default().push(take(&mut bytes, length));
                }
                5 => {
                    let bits = u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap());
                    message.numbers.entry(key >> 3).or_default().push(bits.into());
                }
                other => panic!("wire type {other}"),
            }
        }
        message
    }

    fn numbers(&self, field: u64) -> Vec<u64> {
        self.numbers.get(&field).cloned().unwrap_or_default()
    }

    fn bytes(&self, field: u64) -> Vec<Vec<u8>> {
        self.bytes.get(&field).cloned().unwrap_or_default()
    }

    fn texts(&self, field: u64) -> Vec<String> {
        self.bytes(field).into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    fn text(&self, field: u64) -> String {
        let mut texts = self.texts(field);
        assert_eq!(texts.len(), 1, "field {field}");
        texts.remove(0)
    }

    fn messages(&self, field: u64) -> Vec<Self> {
        self.bytes(field).iter().map(|bytes| Self::read(bytes)).collect()
    }

    fn message(&self, field: u64) -> Self {
        let mut messages = self.messages(field);
        assert_eq!(messages.len(), 1, "field {field}");
        messages.remove(0)
    }
}

fn take(bytes: &mut &[u8], length: usize) -> Vec<u8> {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken.to_vec()
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for position in 0..10 {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a number of more than ten bytes");
}
