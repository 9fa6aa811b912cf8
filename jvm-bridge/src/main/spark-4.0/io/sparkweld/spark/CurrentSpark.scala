package io.sparkweld
package spark

/** Names the line of Spark that this jar was built for. */
object BuiltFor extends SparkVersion("4.0", "2.13", tested = true)

/** Implements the interface to Spark for the line 4.0. */
object CurrentSpark extends Spark4 with Hooks with ColumnarInput with Arithmetic with VectorForms with AggregateNodes
