// SPDX-License-Identifier: BSL-1.0
// nibble's CPU library in one include: values, storage, quantization, kernels, layers, optimizers,
// the trainer, GPT-2 and spiking neurons.
//
// Reading and writing files is apart (<nibble/model/load.hpp>), since it needs nlohmann-json, which
// alone costs more to compile than all of this.
#pragma once

#include <nibble/layer/activation.hpp>
#include <nibble/layer/attention.hpp>
#include <nibble/layer/conv2d.hpp>
#include <nibble/layer/dropout.hpp>
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/pool2d.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/layer/split_attention.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/neuro/lif.hpp>
#include <nibble/optim/adamw.hpp>
#include <nibble/optim/schedule.hpp>
#include <nibble/optim/sgd.hpp>
#include <nibble/quant/dispatch.hpp>
#include <nibble/store/array.hpp>
#include <nibble/train/trainer.hpp>
