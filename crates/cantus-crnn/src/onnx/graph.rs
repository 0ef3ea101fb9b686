//! Nodes, constants and values of an ONNX graph, as protocol buffers (`onnx/onnx.proto` of the
//! format's repository).

use super::message::Message;

/// Fields of `onnx.GraphProto`.
mod graph_field {
    pub(super) const NODE: u64 = 1;
    pub(super) const NAME: u64 = 2;
    pub(super) const INITIALIZER: u64 = 5;
    pub(super) const INPUT: u64 = 11;
    pub(super) const OUTPUT: u64 = 12;
}

/// Fields of `onnx.NodeProto`.
mod node_field {
    pub(super) const INPUT: u64 = 1;
    pub(super) const OUTPUT: u64 = 2;
    pub(super) const NAME: u64 = 3;
    pub(super) const OPERATOR: u64 = 4;
    pub(super) const ATTRIBUTE: u64 = 5;
}

/// Fields of `onnx.AttributeProto`.
mod attribute_field {
    pub(super) const NAME: u64 = 1;
    pub(super) const FLOAT: u64 = 2;
    pub(super) const INTEGER: u64 = 3;
    pub(super) const FLOATS: u64 = 7;
    pub(super) const INTEGERS: u64 = 8;
    pub(super) const STRINGS: u64 = 9;
    pub(super) const TYPE: u64 = 20;
}

/// Values of `onnx.AttributeProto.AttributeType`.
mod attribute_type {
    pub(super) const FLOAT: i64 = 1;
    pub(super) const INTEGER: i64 = 2;
    pub(super) const FLOATS: i64 = 6;
    pub(super) const INTEGERS: i64 = 7;
    pub(super) const STRINGS: i64 = 8;
}

/// Fields of `onnx.TensorProto`.
mod tensor_field {
    pub(super) const DIMENSION: u64 = 1;
    pub(super) const ELEMENT_TYPE: u64 = 2;
    pub(super) const NAME: u64 = 8;
    pub(super) const RAW_DATA: u64 = 9;
}

/// Values of `onnx.TensorProto.DataType`.
mod element_type {
    pub(super) const F32: i64 = 1;
    pub(super) const I64: i64 = 7;
}

/// Fields of `onnx.ValueInfoProto`.
mod value_field {
    pub(super) const NAME: u64 = 1;
    pub(super) const TYPE: u64 = 2;
    pub(super) const DOCUMENTATION: u64 = 3;
}

/// Fields of `onnx.TypeProto`, of its `Tensor` and of `onnx.TensorShapeProto`.
mod type_field {
    pub(super) const TENSOR: u64 = 1;
    pub(super) const ELEMENT_TYPE: u64 = 1;
    pub(super) const SHAPE: u64 = 2;
    pub(super) const DIMENSION: u64 = 1;
    pub(super) const DIMENSION_VALUE: u64 = 1;
    pub(super) const DIMENSION_NAME: u64 = 2;
}

/// What a node is told beside its inputs.
#[derive(Clone, Copy)]
pub(super) enum Attribute<'a> {
    Float(f32),
    Integer(i64),
    Floats(&'a [f32]),
    Integers(&'a [i64]),
    Strings(&'a [&'a str]),
}

/// An axis of an input or an output.
#[derive(Clone, Copy)]
pub(super) enum Axis {
    /// Always as long.
    Fixed(usize),
    /// As long as the caller likes; the same name is the same length.
    Free(&'static str),
}

/// An input or an output.
pub(super) struct Value {
    pub(super) name: &'static str,
    pub(super) axes: Vec<Axis>,
    pub(super) documentation: &'static str,
}

/// A graph that grows node by node.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    initializers: Vec<Message>,
}

impl Graph {
    /// Adds a node, named as its output is.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(node_field::INPUT, input);
        }
        node = node
            .text(node_field::OUTPUT, output)
            .text(node_field::NAME, output)
            .text(node_field::OPERATOR, operator);
        for (name, value) in attributes {
            node = node.message(node_field::ATTRIBUTE, &attribute(name, value));
        }
        self.nodes.push(node);
    }

    /// Adds a constant of floats, C order.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, shape, element_type::F32, &data);
    }

    /// Adds an integer.
    pub(super) fn integer(&mut self, name: &str, value: i64) {
        self.initializer(name, &[], element_type::I64, &value.to_le_bytes());
    }

    /// Adds a list of integers.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, &[values.len()], element_type::I64, &data);
    }

    fn initializer(&mut self, name: &str, shape: &[usize], element_type: i64, data: &[u8]) {
        let mut tensor = Message::default();
        for &length in shape {
            tensor = tensor.integer(tensor_field::DIMENSION, length as i64);
        }
        self.initializers.push(
            tensor
                .integer(tensor_field::ELEMENT_TYPE, element_type)
                .text(tensor_field::NAME, name)
                .bytes(tensor_field::RAW_DATA, data),
        );
    }

    pub(super) fn into_message(self, name: &str, inputs: &[Value], outputs: &[Value]) -> Message {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph = graph.message(graph_field::NODE, node);
        }
        graph = graph.text(graph_field::NAME, name);
        // One after the other is let go: of a large network both together would be much.
        for initializer in self.initializers {
            graph = graph.message(graph_field::INITIALIZER, &initializer);
        }
        for input in inputs {
            graph = graph.message(graph_field::INPUT, &value_message(input));
        }
        for output in outputs {
            graph = graph.message(graph_field::OUTPUT, &value_message(output));
        }
        graph
    }
}

fn attribute(name: &str, value: &Attribute<'_>) -> Message {
    let message = Message::default().text(attribute_field::NAME, name);
    match *value {
        Attribute::Float(value) => message
            .float(attribute_field::FLOAT, value)
            .integer(attribute_field::TYPE, attribute_type::FLOAT),
        Attribute::Integer(value) => message
            .integer(attribute_field::INTEGER, value)
            .integer(attribute_field::TYPE, attribute_type::INTEGER),
        Attribute::Floats(values) => values
            .iter()
            .fold(message, |message, &value| message.float(attribute_field::FLOATS, value))
            .integer(attribute_field::TYPE, attribute_type::FLOATS),
        Attribute::Integers(values) => values
            .iter()
            .fold(message, |message, &value| message.integer(attribute_field::INTEGERS, value))
            .integer(attribute_field::TYPE, attribute_type::INTEGERS),
        Attribute::Strings(values) => values
            .iter()
            .fold(message, |message, value| message.text(attribute_field::STRINGS, value))
            .integer(attribute_field::TYPE, attribute_type::STRINGS),
    }
}

fn value_message(value: &Value) -> Message {
    let mut shape = Message::default();
    for axis in &value.axes {
        let dimension = match *axis {
            Axis::Fixed(length) => {
                Message::default().integer(type_field::DIMENSION_VALUE, length as i64)
            }
            Axis::Free(name) => Message::default().text(type_field::DIMENSION_NAME, name),
        };
        shape = shape.message(type_field::DIMENSION, &dimension);
    }
    let tensor = Message::default()
        .integer(type_field::ELEMENT_TYPE, element_type::F32)
        .message(type_field::SHAPE, &shape);
    Message::default()
        .text(value_field::NAME, value.name)
        .message(value_field::TYPE, &Message::default().message(type_field::TENSOR, &tensor))
        .text(value_field::DOCUMENTATION, value.documentation)
}
