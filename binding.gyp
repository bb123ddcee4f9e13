{
  "targets": [
    {
      "target_name": "circumplex",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake_js",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(module_root_dir)/build/Release/circumplex.node"],
          "action": ["node", "<(module_root_dir)/scripts/build-native.cjs"],
          "message": "building the addon with cmake-js"
        }
      ]
    }
  ]
}
