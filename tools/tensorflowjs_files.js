// Makes the folder that tests/golden/tensorflowjs.zip holds: small layers-models of TensorFlow.js, untrained, with what it answers to them.
//
// Run in an environment of its own: npm install @tensorflow/tfjs@3.21.0, then node tensorflowjs_files.js FOLDER, and zip the folder.

const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");
const L = tf.layers;

function models() {
  const words = tf.sequential({layers: [
    L.embedding({inputDim: 9, outputDim: 4, maskZero: true, inputLength: 6}),
    L.lstm({units: 5, returnSequences: true, recurrentActivation: "hardSigmoid"}),
    L.timeDistributed({layer: L.dense({units: 3, activation: "tanh"})}),
    L.gru({units: 4}),
    L.dense({units: 2, activation: "softmax"}),
  ]});
  const x = tf.input({shape: [6, 3]});
  const inner = tf.sequential({layers: [L.dense({units: 4, inputShape: [6, 3]}), L.batchNormalization({})]});
  const both = L.bidirectional({layer: L.lstm({units: 3, returnSequences: true}), mergeMode: "concat"});
  const y = L.conv1d({filters: 4, kernelSize: 3, padding: "same", activation: "relu"}).apply(both.apply(inner.apply(x)));
  const rnn = L.simpleRNN({units: 3, returnSequences: true}).apply(L.leakyReLU({alpha: 0.2}).apply(y));
  return {words: words, network: tf.model({inputs: x, outputs: L.concatenate().apply([rnn, y])})};
}

async function main(folder) {
  for (const [name, model] of Object.entries(models())) {
    const place = path.join(folder, name);
    fs.mkdirSync(place, {recursive: true});
    const least = (weight) => (weight.originalName.includes("variance") ? 0.1 : -0.6);
    model.setWeights(model.weights.map((weight, n) => tf.randomUniform(weight.shape, least(weight), 0.6, "float32", 7 + n)));
    await model.save(tf.io.withSaveHandler(async (artifacts) => {
      const data = Buffer.from(artifacts.weightData);
      const cut = Math.floor(data.length / 3);
      const parts = {"group1-shard1of2.bin": data.subarray(0, cut), "group1-shard2of2.bin": data.subarray(cut)};
      for (const [file, part] of Object.entries(parts)) fs.writeFileSync(path.join(place, file), part);
      const manifest = [{paths: Object.keys(parts), weights: artifacts.weightSpecs}];
      const about = {format: artifacts.format, generatedBy: artifacts.generatedBy, convertedBy: null};
      const whole = {...about, modelTopology: artifacts.modelTopology, weightsManifest: manifest};
      fs.writeFileSync(path.join(place, "model.json"), JSON.stringify(whole));
      return {modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: "JSON"}};
    }));
    const shape = model.inputs[0].shape.slice(1);
    const xs = name === "words" ? tf.tensor([[3, 8, 1, 2, 0, 0]]) : tf.randomUniform([1, ...shape], -1, 1, "float32", 5);
    const ys = model.predict(xs);
    fs.writeFileSync(path.join(place, "answers.json"), JSON.stringify({x: xs.arraySync()[0], y: ys.arraySync()[0]}));
  }
}

main(process.argv[2]);
