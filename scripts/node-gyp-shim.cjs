#!/usr/bin/env node
'use strict';
// prebuildify calls this instead of node-gyp (PREBUILD_NODE_GYP): no Node headers, no download of headers.
require('./build-native.cjs');
