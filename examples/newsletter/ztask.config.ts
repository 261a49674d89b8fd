import { defineConfig } from 'ztask'

export default defineConfig({
  url: 'tcp://127.0.0.1:5555',
})
