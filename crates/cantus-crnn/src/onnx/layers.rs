//! A network's layers as nodes of an ONNX graph: the counterpart of `pass.rs`.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::EMBEDDING;
use super::graph::{Attribute, Graph};
use crate::{CrnnError, GruForm};

/// The gates of a GRU, whose rows are r, z, n here, in ONNX' order z, r, h.
const GRU_GATES: [usize; 3] = [1, 0, 2];
/// The gates of an LSTM, whose rows are i, f, c, o here, in ONNX' order i, o, f, c.
const LSTM_GATES: [usize; 4] = [0, 3, 1, 2];

/// Slope and offset of Keras 2's hard sigmoid, `clip(0.2 v + 0.5, 0, 1)`.
const HARD_SIGMOID: (f32, f32) = (0.2, 0.5);

/// The layers added so far, each on the value that the one before it left.
pub(crate) struct OnnxLayers<'a> {
    tensors: &'a BTreeMap<String, Tensor>,
    graph: Graph,
    last: String,
}

impl<'a> OnnxLayers<'a> {
    pub(super) fn new(tensors: &'a BTreeMap<String, Tensor>, input: &str) -> Self {
        Self { tensors, graph: Graph::default(), last: input.to_owned() }
    }

    pub(super) fn into_graph(self) -> Graph {
        self.graph
    }

    /// Batch normalisation over all axes but axis 1, by running statistics.
    pub(crate) fn normalise(&mut self, layer: &str, epsilon: f64) -> Result<(), CrnnError> {
        let gamma = self.parameter(layer, "weight")?;
        let beta = self.parameter(layer, "bias")?;
        let mean = self.parameter(layer, "running_mean")?;
        let variance = self.parameter(layer, "running_var")?;
        let attributes = [("epsilon", Attribute::Float(epsilon as f32))];
        self.add("BatchNormalization", &[&gamma, &beta, &mean, &variance], layer, &attributes);
        Ok(())
    }

    /// A convolution over the axes after axis 1, each with as many zeros at both ends as `padding`
    /// has for it.
    pub(crate) fn convolve(&mut self, layer: &str, padding: &[usize]) -> Result<(), CrnnError> {
        let (weight, bias) = (self.parameter(layer, "weight")?, self.parameter(layer, "bias")?);
        let pads: Vec<i64> = padding.iter().chain(padding).map(|&pad| pad as i64).collect();
        self.add("Conv", &[&weight, &bias], layer, &[("pads", Attribute::Integers(&pads))]);
        Ok(())
    }

    pub(crate) fn elu(&mut self, name: &str) {
        self.add("Elu", &[], name, &[]);
    }

    pub(crate) fn relu(&mut self, name: &str) {
        self.add("Relu", &[], name, &[]);
    }

    /// Max pooling over the axes after axis 1; incomplete windows are dropped.
    pub(crate) fn max_pool(&mut self, name: &str, window: &[usize]) {
        if window.iter().all(|&length| length == 1) {
            return;
        }
        let window: Vec<i64> = window.iter().map(|&length| length as i64).collect();
        let attributes = [
            ("kernel_shape", Attribute::Integers(&window)),
            ("strides", Attribute::Integers(&window)),
        ];
        self.add("MaxPool", &[], name, &attributes);
    }

    /// Puts an axis of length 1 before the axis `axis`.
    pub(crate) fn unsqueeze(&mut self, name: &str, axis: i64) {
        let axes = self.list(name, "axes", &[axis]);
        self.add("Unsqueeze", &[&axes], name, &[]);
    }

    /// Takes an axis of length 1 away.
    fn squeeze(&mut self, name: &str, axis: i64) {
        let axes = self.list(name, "axes", &[axis]);
        self.add("Squeeze", &[&axes], name, &[]);
    }

    /// Gives the same numbers another shape, in which 0 stands for the axis as it was.
    pub(crate) fn reshape(&mut self, name: &str, shape: &[i64]) {
        let shape = self.list(name, "shape", shape);
        self.add("Reshape", &[&shape], name, &[]);
    }

    pub(crate) fn transpose(&mut self, name: &str, axes: &[i64]) {
        self.add("Transpose", &[], name, &[("perm", Attribute::Integers(axes))]);
    }

    /// The last state of the layers `gru1`... over `[step, clip, feature]`.
    pub(crate) fn gru_layers(&mut self, units: &[usize], form: GruForm) -> Result<(), CrnnError> {
        let attributes = match form {
            GruForm::Keras => hard_sigmoid(&["HardSigmoid", "Tanh"]).to_vec(),
            GruForm::Torch => vec![("linear_before_reset", Attribute::Integer(1))],
        };
        self.recurrent_layers("GRU", units, &GRU_GATES, "bias_ih", &attributes)
    }

    /// The last state of the layers `lstm1`... over `[step, clip, feature]`.
    pub(crate) fn lstm_layers(&mut self, units: &[usize], form: GruForm) -> Result<(), CrnnError> {
        let attributes = match form {
            GruForm::Keras => hard_sigmoid(&["HardSigmoid", "Tanh", "Tanh"]).to_vec(),
            GruForm::Torch => Vec::new(),
        };
        self.recurrent_layers("LSTM", units, &LSTM_GATES, "bias", &attributes)
    }

    fn recurrent_layers(
        &mut self,
        operator: &str,
        units: &[usize],
        gates: &[usize],
        bias: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) -> Result<(), CrnnError> {
        for (number, &hidden) in (1..).zip(units) {
            let layer = format!("{}{number}", operator.to_lowercase());
            let weight_ih = self.by_gates(&layer, "weight_ih", gates)?;
            let weight_hh = self.by_gates(&layer, "weight_hh", gates)?;
            let biases = self.biases(&layer, bias, gates)?;
            let inputs = [weight_ih.as_str(), &weight_hh, &biases];
            let mut all = vec![("hidden_size", Attribute::Integer(hidden as i64))];
            all.extend(attributes);
            self.add(operator, &inputs, &format!("{layer}.states"), &all);
            // Without the axis of the directions, of which there is one.
            self.squeeze(&layer, 1);
        }
        self.graph.integer("last", -1);
        self.add("Gather", &["last"], EMBEDDING, &[("axis", Attribute::Integer(0))]);
        Ok(())
    }

    /// Adds a recurrent layer's kernel of one direction, its gates in ONNX' order.
    fn by_gates(&mut self, layer: &str, part: &str, gates: &[usize]) -> Result<String, CrnnError> {
        let tensor = self.tensor(layer, part)?;
        let name = format!("{layer}.{part}");
        let shape = [&[1], tensor.dims()].concat();
        self.graph.floats(&name, &shape, &reordered(&values(tensor)?, gates));
        Ok(name)
    }

    /// Adds a recurrent layer's biases: behind those of the input stand those of the state, which
    /// PyTorch's GRU alone has.
    fn biases(&mut self, layer: &str, part: &str, gates: &[usize]) -> Result<String, CrnnError> {
        let mut biases = reordered(&values(self.tensor(layer, part)?)?, gates);
        match self.tensors.get(&format!("{layer}.bias_hh")) {
            Some(of_state) => biases.extend(reordered(&values(of_state)?, gates)),
            None => biases.resize(2 * biases.len(), 0.0),
        }
        let name = format!("{layer}.biases");
        self.graph.floats(&name, &[1, biases.len()], &biases);
        Ok(name)
    }

    /// The dense layer `dense`.
    pub(super) fn dense(&mut self, output: &str) -> Result<(), CrnnError> {
        let (weight, bias) = (self.parameter("dense", "weight")?, self.parameter("dense", "bias")?);
        self.add("Gemm", &[&weight, &bias], output, &[("transB", Attribute::Integer(1))]);
        Ok(())
    }

    pub(super) fn softmax(&mut self, output: &str) {
        self.add("Softmax", &[], output, &[("axis", Attribute::Integer(-1))]);
    }

    /// Adds a node that takes the last value and then `inputs`.
    fn add(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let inputs = [&[self.last.as_str()], inputs].concat();
        self.graph.node(operator, &inputs, output, attributes);
        output.clone_into(&mut self.last);
    }

    /// Adds a tensor as it is, and gives its name.
    fn parameter(&mut self, layer: &str, part: &str) -> Result<String, CrnnError> {
        let tensor = self.tensor(layer, part)?;
        let name = format!("{layer}.{part}");
        self.graph.floats(&name, tensor.dims(), &values(tensor)?);
        Ok(name)
    }

    fn tensor(&self, layer: &str, part: &str) -> Result<&'a Tensor, CrnnError> {
        let name = format!("{layer}.{part}");
        self.tensors.get(&name).ok_or(CrnnError::MissingTensor { name })
    }

    /// Adds a list of integers that belongs to the node `node`, and gives its name.
    fn list(&mut self, node: &str, part: &str, list: &[i64]) -> String {
        let name = format!("{node}.{part}");
        self.graph.integers(&name, list);
        name
    }
}

/// What makes the first of a recurrent layer's `activations` Keras' hard sigmoid.
fn hard_sigmoid<'a>(activations: &'a [&'a str]) -> [(&'static str, Attribute<'a>); 3] {
    [
        ("activations", Attribute::Strings(activations)),
        ("activation_alpha", Attribute::Floats(&[HARD_SIGMOID.0])),
        ("activation_beta", Attribute::Floats(&[HARD_SIGMOID.1])),
    ]
}

/// The gates' rows in another order: `gates` says which of them comes first, second and so on.
fn reordered(values: &[f32], gates: &[usize]) -> Vec<f32> {
    let length = values.len() / gates.len();
    gates.iter().flat_map(|gate| &values[gate * length..(gate + 1) * length]).copied().collect()
}

fn values(tensor: &Tensor) -> Result<Vec<f32>, CrnnError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}
