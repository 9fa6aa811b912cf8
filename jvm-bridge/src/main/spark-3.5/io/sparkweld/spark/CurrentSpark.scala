package io.sparkweld
package spark

/** Names the line of Spark that this jar was built for. */
object BuiltFor extends SparkVersion("3.5", "2.12", tested = true, testedOnConnect = false)

/** Implements the interface to Spark for the line 3.5. */
object CurrentSpark extends Spark3 with Hooks with ColumnarInput with Arithmetic with VectorForms with AggregateNodes
