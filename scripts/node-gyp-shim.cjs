#!/usr/bin/env node
'use strict';
// prebuildify calls this instead of node-gyp (PREBUILD_NODE_GYP): no Node headers, no download of headers. It takes the
// addon away from build/Release below the directory it works in.
const path = require('node:path');

process.env.CIRCUMPLEX_OUTPUT = path.resolve('build', 'Release', 'circumplex.node');
require('./build-native.cjs');
