import { defineConfig } from 'ztask'

export default defineConfig({
  onLoad: ['./src/database.ts#open'],
  onExit: ['./src/database.ts#close'],
})
